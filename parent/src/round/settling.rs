//! Openings are written down before the enclave is asked, so that one whose reply was missed, or
//! whose parent was killed, leaves no round there that nobody knows.
//!
//! Asked again, the enclave gives the round that it opened then, or opens it now. If the store has
//! that round, all is well. Else it was never on offer: it is aborted, and the opening gives no
//! other, even if a command of it arrives late.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealsum_protocol::messages::{Abort, OpenRound};
use sealsum_protocol::{
    Command, OpeningId, Reply, RoundBinding, RoundId, SignedRoundParams, canonical,
};
use tokio::sync::Notify;

use super::RoundError;
use crate::enclave_link::LinkError;
use crate::rounds::Rounds;
use crate::storage::{Holder, Record, StorageError};

/// Openings to be settled, by their ids.
#[derive(Default)]
pub(crate) struct Openings {
    left: Mutex<BTreeSet<RoundId>>,
    more: Notify,
}

/// An opening under way. Dropped before its end, it is left to be settled.
pub(super) struct Begun<'a> {
    openings: &'a Openings,
    /// It has a round id's form, as storage wants it; no round has this one.
    id: RoundId,
    ended: bool,
}

impl Openings {
    /// Whether the enclave may have a round that is not listed.
    pub(crate) fn are_left(&self) -> bool {
        !self.left().is_empty()
    }

    fn leave(&self, id: RoundId) {
        self.left().insert(id);
        self.more.notify_one();
    }

    /// Held for moments only, never across an await.
    fn left(&self) -> MutexGuard<'_, BTreeSet<RoundId>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun<'_> {
    pub(super) const fn id(&self) -> RoundId {
        self.id
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.openings.leave(self.id);
        }
    }
}

impl Rounds {
    /// Writes down that a round of these parameters is to be asked for.
    pub(super) async fn begin_opening(
        &self,
        params: &SignedRoundParams,
    ) -> Result<Begun<'_>, RoundError> {
        let mut id = [0; 32];
        getrandom::fill(&mut id).map_err(|_| RoundError::Interrupted)?;
        let begun = Begun {
            openings: &self.openings,
            id: RoundId::new(id),
            ended: false,
        };
        self.hold(begun.id).await?;
        self.storage
            .put(begun.id, Record::Opening, canonical::encode(params))
            .await?;
        Ok(begun)
    }

    /// The round is stored, or there is none.
    pub(super) async fn end_opening(&self, mut begun: Begun<'_>) {
        match self.forget_opening(begun.id).await {
            Ok(()) => begun.ended = true,
            Err(error) => {
                tracing::warn!(opening = %begun.id, %error, "the record of an opening was not removed; it is tried again");
            }
        }
    }

    /// Asks the enclave for an opening's round.
    pub(super) async fn ask_to_open(
        &self,
        opening: RoundId,
        params: SignedRoundParams,
        boundary: &AtomicU64,
    ) -> Result<RoundBinding, RoundError> {
        let command = Command::OpenRound(Box::new(OpenRound {
            opening: OpeningId::new(*opening.as_bytes()),
            params: params.clone(),
        }));
        let answer = self.link.ask(&command, Vec::new(), boundary).await?;
        match answer.reply {
            Reply::Opened(opened) if opened.binding.params == params => Ok(opened.binding),
            _ => Err(LinkError::OutOfPlace("open_round").into()),
        }
    }

    /// Reads back which openings an earlier start did not end.
    pub(crate) async fn load_openings(&self) -> Result<(), StorageError> {
        for id in self.storage.rounds_with(Record::Opening).await? {
            if self.storage.hold(id).await? == Holder::Ours {
                self.openings.leave(id);
            }
        }
        Ok(())
    }

    /// Takes up an opening that this parent holds. Says whether there was one.
    pub(crate) async fn take_opening(&self, id: RoundId) -> Result<bool, StorageError> {
        let stored = self.storage.record(id, Record::Opening).await?;
        if stored.is_some() {
            self.openings.leave(id);
        }
        Ok(stored.is_some())
    }

    /// Settles what openings left for as long as the parent runs.
    pub(crate) async fn settle_openings(self: &Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let left = self.openings.left().clone();
            if left.is_empty() {
                pause = FIRST_PAUSE;
                self.openings.more.notified().await;
                continue;
            }
            let mut failed = false;
            for id in left {
                match self.settle_opening(id).await {
                    Ok(()) => drop(self.openings.left().remove(&id)),
                    Err(error) if passes(&error) => {
                        tracing::debug!(opening = %id, %error, "an opening is not settled yet");
                        failed = true;
                    }
                    Err(error) => {
                        tracing::error!(opening = %id, %error, "an opening is not settled before the next start");
                        self.openings.left().remove(&id);
                    }
                }
            }
            if failed {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    async fn settle_opening(self: &Arc<Self>, id: RoundId) -> Result<(), RoundError> {
        self.hold(id).await?;
        if let Some(record) = self.storage.record(id, Record::Opening).await? {
            let params = canonical::decode(&record).map_err(|_| StorageError::Damaged {
                round_id: id,
                record: Record::Opening,
            })?;
            match self.ask_to_open(id, params, &AtomicU64::new(0)).await {
                Ok(binding) => self.keep_or_abort(binding.round_id()).await?,
                // It gave no round, or one that collects no more.
                Err(error) if error.refusal().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.forget_opening(id).await?)
    }

    /// Of an opening's round: if it is stored it is served, else it ends here.
    async fn keep_or_abort(self: &Arc<Self>, round_id: RoundId) -> Result<(), RoundError> {
        if !self.is_stored(round_id).await? {
            // Whoever else is about to store it finds its lease gone from here on.
            self.hold(round_id).await?;
            if !self.is_stored(round_id).await? {
                return self.abort_unknown(round_id).await;
            }
        }
        self.place_of(&round_id).await.map(drop)
    }

    /// It was never on offer, so nobody needs its abort receipt.
    async fn abort_unknown(&self, round_id: RoundId) -> Result<(), RoundError> {
        // First, while the opening still gives the round's id.
        for record in [Record::Evidence, Record::ClosingRule] {
            self.storage.remove(round_id, record).await?;
        }
        let command = Command::Abort(Abort { round_id });
        let boundary = AtomicU64::new(0);
        match self.link.ask(&command, Vec::new(), &boundary).await {
            Ok(_) | Err(LinkError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
        tracing::warn!(%round_id, "a round whose opening was cut off is aborted");
        Ok(self.storage.let_go(round_id).await?)
    }

    async fn is_stored(&self, round_id: RoundId) -> Result<bool, StorageError> {
        let state = self.storage.record(round_id, Record::State).await?;
        Ok(state.is_some())
    }

    async fn forget_opening(&self, id: RoundId) -> Result<(), StorageError> {
        self.storage.remove(id, Record::Opening).await?;
        self.storage.let_go(id).await
    }
}

/// Whether it may succeed later.
const fn passes(error: &RoundError) -> bool {
    match error {
        RoundError::Link(error) => error.is_silence() || matches!(error, LinkError::Busy),
        RoundError::Storage(error) => !matches!(error, StorageError::Damaged { .. }),
        RoundError::Elsewhere => true,
        _ => false,
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
