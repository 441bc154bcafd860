//! Rounds that are over are kept for as long as the operator says, and then removed whole.
//!
//! In an order that may be cut anywhere. First the stored state says that the round is removed: from
//! then on nobody serves it, and no start reads it back. Then all of it goes, its records at once and
//! last. A start that finds such a state, or another parent that shares the store, ends what was begun.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealsum_protocol::RoundId;

use super::{Round, RoundError, is_over};
use crate::rounds::Rounds;
use crate::schedule::unix_now;
use crate::storage::{Holder, Record, StorageError};

/// Rounds of which something may still be stored, and which nobody is served.
#[derive(Default)]
pub(crate) struct Leaving(Mutex<BTreeSet<RoundId>>);

impl Leaving {
    pub(crate) fn contains(&self, id: &RoundId) -> bool {
        self.ids().contains(id)
    }

    pub(crate) fn insert(&self, id: RoundId) {
        self.ids().insert(id);
    }

    fn ids(&self) -> MutexGuard<'_, BTreeSet<RoundId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Round {
    /// It is over since then, by a clock that may be wrong, and was seen to end here now, if it was.
    pub(crate) fn end_at(&self, seconds: u64, seen: Option<Instant>) {
        let mut state = self.state();
        state.ended_at = Some(seconds);
        state.seen_to_end = seen;
    }

    /// It goes on after all.
    pub(crate) fn goes_on(&self) {
        let mut state = self.state();
        state.ended_at = None;
        state.seen_to_end = None;
    }

    fn is_due(&self, keep: Duration, ended_at: Option<u64>) -> bool {
        is_due(keep, ended_at, self.state().seen_to_end)
    }

    /// Whoever found it before it went, and writes to it, leaves something of it behind.
    pub(super) fn must_be_kept(&self) -> Result<(), RoundError> {
        if self.state().removed {
            return Err(RoundError::Removed);
        }
        Ok(())
    }
}

/// Whether what ended then has been over for so long. What was seen to end in this process did so by a
/// clock that nobody sets, too: a date that was set forward since then lets nothing go early.
fn is_due(keep: Duration, ended_at: Option<u64>, seen: Option<Instant>) -> bool {
    let by_the_date = ended_at.is_none_or(|at| at.saturating_add(keep.as_secs()) <= unix_now());
    by_the_date && seen.is_none_or(|seen| seen.elapsed() >= keep)
}

impl Rounds {
    /// Removes what is due, and ends what an earlier run began, for as long as the parent runs.
    pub(crate) async fn remove_in_time(&self) {
        loop {
            tokio::time::sleep(self.limits.removal).await;
            self.end_removals().await;
            if let Some(keep) = self.limits.keep {
                self.remove_older(keep).await;
            }
        }
    }

    /// Whether there is anything of the round to be served. Another parent that shares the store may
    /// have removed it a moment ago.
    pub(crate) async fn is_kept(&self, id: RoundId) -> Result<bool, StorageError> {
        let has_state = self.storage.record(id, Record::State).await?.is_some();
        Ok(has_state && self.find(&id).is_some())
    }

    async fn remove_older(&self, keep: Duration) {
        for round in self.list() {
            if round.is_in_progress() {
                continue;
            }
            let ended_at = round.state().ended_at;
            if round.is_due(keep, ended_at)
                && let Err(error) = self.remove_round(&round, keep).await
            {
                tracing::warn!(round_id = %round.id, %error, "a round was not removed; it is tried again");
            }
        }
    }

    async fn remove_round(&self, round: &Arc<Round>, keep: Duration) -> Result<(), RoundError> {
        // Whoever closes or aborts ends first, and whoever comes later finds it gone.
        let _release = round.release.lock().await;
        if let Holder::Theirs(_) = self.storage.hold(round.id).await? {
            return Ok(());
        }
        match self.stored_state(round.id).await? {
            // Another parent was first.
            None => self.remove(&round.id),
            // Another parent may have it in progress again.
            Some(state) if !is_over(state.phase) && self.are_shared() => {}
            // Its end was never written: a crash came between it and its proof, or the disk was full.
            Some(state) if !is_over(state.phase) => {
                round.end_at(unix_now(), None);
                self.store_phase(round, round.phase()).await?;
            }
            Some(state) => {
                // One that an earlier parent ended counts from when it is first looked at.
                let ended = state.ended_at.unwrap_or_else(unix_now);
                round.state().ended_at = Some(ended);
                if round.is_due(keep, Some(ended)) {
                    round.state().removed = true;
                    self.store_phase(round, state.phase).await?;
                    self.leaving.insert(round.id);
                    self.remove(&round.id);
                    self.kept_uploads.forget(round.id);
                    return Ok(self.end_removal(round.id).await?);
                }
                if state.ended_at.is_none() {
                    self.store_phase(round, state.phase).await?;
                }
            }
        }
        Ok(self.storage.let_go(round.id).await?)
    }

    async fn end_removals(&self) {
        let leaving = self.leaving.ids().clone();
        for round_id in leaving {
            if let Err(error) = self.end_removal(round_id).await {
                tracing::warn!(%round_id, %error, "what is left of a round was not removed; it is tried again");
            }
        }
    }

    async fn end_removal(&self, id: RoundId) -> Result<(), StorageError> {
        if let Holder::Theirs(_) = self.storage.hold(id).await? {
            return Ok(());
        }
        self.storage.remove_round(id).await?;
        self.leaving.ids().remove(&id);
        tracing::info!(round_id = %id, "a round was removed, as rounds.keep_days says");
        self.storage.let_go(id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_due_by_the_date_and_by_the_time_that_passed() {
        let hour = Duration::from_secs(3600);
        let (ago, now) = (Some(unix_now() - 7200), Some(unix_now()));
        let seen = Some(Instant::now());
        assert!(is_due(hour, ago, None) && is_due(hour, None, None));
        assert!(!is_due(hour, now, None));
        // The date jumped by two hours after it had ended here.
        assert!(!is_due(hour, ago, seen));
        assert!(!is_due(hour, None, seen));
        assert!(is_due(Duration::ZERO, now, seen));
        assert!(!is_due(Duration::MAX, ago, None));
    }
}
