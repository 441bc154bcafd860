//! After a restart: rounds are read back from storage, and those in progress are
//! taken up with the enclave, as soon as it answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sealsum_protocol::messages::{Phase, Status};
use sealsum_protocol::{
    Acceptance, ClientId, Command, Digest, Receipt, Reply, RoundEvidence, RoundId, Signed,
    canonical,
};

use super::watch::Heard;
use super::{Accepted, Round, RoundError, StoredState, is_over};
use crate::enclave_link::LinkError;
use crate::rounds::Rounds;
use crate::schedule::StoredClosing;
use crate::storage::{Record, StorageError};

impl Rounds {
    /// A stored round's phase, as it was last written.
    pub(crate) async fn stored_phase(&self, id: RoundId) -> Result<Option<Phase>, StorageError> {
        match self.stored_state(id).await {
            Err(StorageError::Damaged { .. }) => Ok(None),
            state => Ok(state?.map(|state| state.phase)),
        }
    }

    pub(super) async fn stored_state(
        &self,
        id: RoundId,
    ) -> Result<Option<StoredState>, StorageError> {
        let stored = self.storage.record(id, Record::State).await?;
        stored
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose()
            .map_err(|_| StorageError::Damaged {
                round_id: id,
                record: Record::State,
            })
    }

    pub(crate) async fn load_round(&self, id: RoundId) -> Result<Round, RoundError> {
        let damaged = |record| StorageError::Damaged {
            round_id: id,
            record,
        };
        let stored = self.storage.record(id, Record::State).await?;
        let state: StoredState = serde_json::from_slice(&stored.unwrap_or_default())
            .map_err(|_| damaged(Record::State))?;
        if state.removed {
            return Err(RoundError::Removed);
        }
        let evidence = self.storage.record(id, Record::Evidence).await?;
        let evidence: RoundEvidence = canonical::decode(&evidence.unwrap_or_default())
            .map_err(|_| damaged(Record::Evidence))?;
        if evidence.binding.round_id() != id {
            return Err(damaged(Record::Evidence).into());
        }
        let has_ended = is_over(state.phase);
        let accepted = match state.contributions {
            // Not to be read at every start for ever.
            Some(count) if has_ended => Accepted::Stored(count),
            _ => Accepted::Held(self.load_acceptances(id).await?),
        };
        let round = Round::new(state.sequence, evidence.binding, state.phase, accepted);
        if let Some(ended) = state.ended_at {
            round.end_at(ended, None);
        }
        round
            .boundary
            .store(state.boundary_bytes, Ordering::Relaxed);
        if round.phase() == Phase::Collecting {
            for client in self.storage.uploads(id).await? {
                if round.contribution(&client).is_none() {
                    round.wait_for_answer(client);
                }
            }
        }
        self.load_end(&round).await?;
        if round.is_in_progress() {
            round.goes_on();
        }
        match (round.is_in_progress(), round.holds_its_clients()) {
            (true, false) => round.hold(self.load_acceptances(id).await?),
            (false, true) => round.let_go(),
            _ => {}
        }
        if let Some(stored) = self.storage.record(id, Record::ClosingRule).await? {
            let closing = StoredClosing::decode(&stored);
            round.close_by(closing.ok_or_else(|| damaged(Record::ClosingRule))?);
        }
        Ok(round)
    }

    pub(super) async fn load_acceptances(
        &self,
        id: RoundId,
    ) -> Result<BTreeMap<ClientId, Digest>, RoundError> {
        let mut accepted = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.storage.acceptances(id, after).await?;
            let Some((last, _)) = page.last() else {
                return Ok(accepted);
            };
            after = Some(*last);
            for (client, stored) in page {
                match canonical::decode::<Signed<Acceptance>>(&stored) {
                    Ok(acceptance) if acceptance.unverified().client == client => {
                        accepted.insert(client, acceptance.unverified().contribution);
                    }
                    // With its upload still there, the enclave gives the acceptance again.
                    Ok(_) => {
                        tracing::error!(round_id = %id, %client, "a stored acceptance is another client's: storage was edited or is damaged");
                    }
                    Err(error) => {
                        tracing::warn!(round_id = %id, %client, %error, "an acceptance was not read back");
                    }
                }
            }
        }
    }

    /// What later records say goes before the stored phase: a crash may have come between.
    async fn load_end(&self, round: &Round) -> Result<(), RoundError> {
        if self
            .storage
            .record(round.id, Record::AbortReceipt)
            .await?
            .is_some()
        {
            round.set_phase(Phase::Aborted);
            return Ok(());
        }
        self.check_proof_of_end(round).await?;
        if !matches!(round.phase(), Phase::Releasing | Phase::Released) {
            return Ok(());
        }
        if let Some(close) = self.stored_close(round).await? {
            let size = round
                .contributions()
                .saturating_sub(close.excluded.len() as u64);
            round.fix_exclusions(close.excluded);
            round.fix_cohort_size(u32::try_from(size).unwrap_or(u32::MAX));
        }
        if let Some(stored) = self.storage.record(round.id, Record::Receipt).await?
            && let Ok(receipt) = canonical::decode::<Signed<Receipt>>(&stored)
        {
            round.fix_cohort_size(receipt.unverified().cohort_size);
        }
        Ok(())
    }

    /// Takes up each round in progress where it stood. Asks on until the enclave answers.
    pub(crate) async fn resume(self: &Arc<Self>) {
        if self.knock().await == Heard::Silence {
            tracing::warn!(enclave = %self.link.address(), "no enclave answers; rounds can be opened and joined once it does");
        }
        for round in self.list() {
            match round.phase() {
                Phase::Collecting | Phase::Releasing => self.resume_round(&round).await,
                // Whoever has its lease does.
                _ if self.are_shared() => {}
                _ => self.discard_uploads(&round).await,
            }
        }
    }

    pub(crate) async fn resume_round(self: &Arc<Self>, round: &Arc<Round>) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.resume_once(round).await {
                Ok(()) => return,
                Err(RoundError::Link(
                    LinkError::Unreachable { .. }
                    | LinkError::TimedOut
                    | LinkError::Busy
                    | LinkError::Broken(_),
                )) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => {
                    tracing::warn!(round_id = %round.id, %error, "a round was not taken up again");
                    return;
                }
            }
        }
    }

    async fn resume_once(self: &Arc<Self>, round: &Arc<Round>) -> Result<(), RoundError> {
        let receipt = self.storage.record(round.id, Record::Receipt).await?;
        if receipt.is_some() {
            return self.close(round).await.map(drop);
        }
        let command = Command::Status(Status { round_id: round.id });
        let phase = match self.ask(round, command, Vec::new()).await {
            Ok(answer) => match answer.reply {
                Reply::Status(status) => status.phase,
                _ => return Err(LinkError::OutOfPlace("status").into()),
            },
            Err(RoundError::Lost) => return Ok(()),
            Err(error) => return Err(error),
        };
        match phase {
            Phase::Aborted => self.abort(round).await.map(drop),
            Phase::Releasing | Phase::Released => self.close(round).await.map(drop),
            // A close was asked for and had not reached the enclave.
            Phase::Collecting if self.stored_close(round).await?.is_some() => {
                self.close(round).await.map(drop)
            }
            // Nothing but an edited store says otherwise than the enclave here.
            Phase::Collecting if round.phase() != Phase::Collecting => {
                for client in self.storage.uploads(round.id).await? {
                    if round.contribution(&client).is_none() {
                        round.wait_for_answer(client);
                    }
                }
                self.enter(round, Phase::Collecting).await
            }
            Phase::Collecting => Ok(()),
            Phase::Lost => {
                self.lose(round).await;
                Ok(())
            }
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
