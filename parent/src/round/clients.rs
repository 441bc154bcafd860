//! Who is in a round, whether it goes on or has ended. Clients of ended rounds are read from
//! storage when somebody asks: memory does not grow with what a parent has ever served.

use std::collections::VecDeque;
use std::sync::Arc;

use sealsum_protocol::{
    Acceptance, ClientId, Cohort, CohortTree, Digest, RoundId, Signed, canonical,
};
use tokio::sync::Mutex;

use super::{Accepted, Round, RoundError};
use crate::rounds::Rounds;
use crate::storage::{Record, StorageError, blocking};

/// Cohorts that somebody has asked about, the latest last: after a release all of its clients
/// ask at about the same time.
#[derive(Default)]
pub(crate) struct RecentCohorts(Mutex<VecDeque<(RoundId, Arc<CohortTree>)>>);

impl Round {
    /// Of a round that has ended: its clients are in storage, and there alone from now on.
    pub(crate) fn let_go(&self) {
        let mut state = self.state();
        state.accepted = Accepted::Stored(state.accepted.count());
        self.waiting.forget_shown();
    }
}

impl Rounds {
    /// The client's contribution to the round.
    pub(crate) async fn contribution(
        &self,
        round: &Round,
        client: &ClientId,
    ) -> Result<Option<Digest>, StorageError> {
        if round.holds_its_clients() {
            return Ok(round.contribution(client));
        }
        let record = Record::Acceptance(*client);
        let stored = self.storage.record(round.id, record).await?;
        let acceptance = stored.and_then(|stored| {
            let acceptance: Signed<Acceptance> = canonical::decode(&stored).ok()?;
            Some(acceptance.unverified().clone())
        });
        Ok(acceptance
            .filter(|acceptance| acceptance.client == *client)
            .map(|acceptance| acceptance.contribution))
    }

    /// The cohort of a round that is released: it does not change any more.
    pub(crate) async fn released_cohort(
        &self,
        round: &Round,
    ) -> Result<Arc<CohortTree>, RoundError> {
        // Held while it is made, so that a thousand who ask at once have it made once.
        let mut recent = self.recent_cohorts.0.lock().await;
        if let Some((_, cohort)) = recent.iter().find(|(id, _)| *id == round.id) {
            return Ok(Arc::clone(cohort));
        }
        let members = round.less_the_exclusions(self.load_acceptances(round.id).await?);
        // Some of them may be gone by now.
        if !self.is_kept(round.id).await? {
            return Err(RoundError::Removed);
        }
        let cohort = blocking(move || members.into_iter().collect::<Cohort>().into_tree()).await;
        let cohort = Arc::new(cohort);
        while recent.len() >= RECENT {
            recent.pop_front();
        }
        recent.push_back((round.id, Arc::clone(&cohort)));
        Ok(cohort)
    }
}

/// Cohorts kept ready, at 128 bytes a member.
const RECENT: usize = 4;
