//! The rounds that are to open: durable before whoever scheduled one is told so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{RoundId, SignedRoundParams};

use super::{ClosingRule, Opens, ScheduleError, ScheduledRound, id_of, stored};
use crate::round::RoundError;
use crate::rounds::Rounds;
use crate::storage::{Holder, Record, StorageError, Whereabouts};

/// What waits, oldest first.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Held while the schedule changes: what is checked still holds when it is written.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    /// By sequence, and by id: no record that storage gives can hide another.
    rounds: BTreeMap<(u64, RoundId), ScheduledRound>,
    /// Those that the enclave is being asked for. They can't be taken back any more.
    opening: BTreeSet<RoundId>,
}

impl Queue {
    pub(super) fn list(&self) -> Vec<ScheduledRound> {
        self.waiting().rounds.values().cloned().collect()
    }

    fn find(&self, id: &RoundId) -> Option<ScheduledRound> {
        let waiting = self.waiting();
        let mut rounds = waiting.rounds.values();
        rounds.find(|round| round.id() == *id).cloned()
    }

    fn put(&self, scheduled: ScheduledRound) {
        let key = (scheduled.sequence, scheduled.id());
        self.waiting().rounds.insert(key, scheduled);
    }

    /// Takes out what another parent has by now.
    pub(crate) fn part_with(&self, id: &RoundId) {
        self.waiting().rounds.retain(|(_, found), _| found != id);
    }

    fn take(&self, scheduled: &ScheduledRound) {
        let key = (scheduled.sequence, scheduled.id());
        self.waiting().rounds.remove(&key);
    }

    /// Says whether it still waits; then it is opening until [`Self::end_opening`].
    pub(super) fn begin_opening(&self, scheduled: &ScheduledRound) -> bool {
        let mut waiting = self.waiting();
        let id = scheduled.id();
        let waits = waiting.rounds.contains_key(&(scheduled.sequence, id));
        waits && waiting.opening.insert(id)
    }

    pub(super) fn end_opening(&self, id: &RoundId) {
        self.waiting().opening.remove(id);
    }

    /// Takes it out, unless it is opening.
    fn take_back(&self, id: &RoundId) -> Result<ScheduledRound, ScheduleError> {
        let mut waiting = self.waiting();
        if waiting.opening.contains(id) {
            return Err(ScheduleError::Opening);
        }
        let key = waiting.rounds.keys().find(|(_, found)| found == id);
        let key = *key.ok_or(ScheduleError::Unknown)?;
        waiting.rounds.remove(&key).ok_or(ScheduleError::Unknown)
    }

    /// Held for moments only, never across an await.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    /// Every round that waits to open, oldest first.
    pub(crate) fn scheduled(&self) -> Vec<ScheduledRound> {
        self.schedule.list()
    }

    /// Schedules a round. The same again is the same.
    pub(crate) async fn schedule(
        &self,
        params: SignedRoundParams,
        opens: Opens,
        closing: ClosingRule,
    ) -> Result<ScheduledRound, RoundError> {
        self.check_params(&params)?;
        closing.check(params.params.terms())?;
        opens.check()?;
        let _changing = self.schedule.changing.lock().await;
        if let Some(known) = self.schedule.find(&id_of(&params)) {
            let same = (known.opens, known.closing) == (opens, closing) && known.failed.is_none();
            let another = || ScheduleError::Another(known.id().to_string());
            return if same {
                Ok(known)
            } else {
                Err(another().into())
            };
        }
        if self.has_round_of(&params) {
            return Err(ScheduleError::Opened.into());
        }
        let waiting = self.schedule.list();
        if waiting.len() >= LIMIT {
            return Err(ScheduleError::Full(LIMIT).into());
        }
        let scheduled = ScheduledRound {
            sequence: waiting.last().map_or(1, |last| last.sequence + 1),
            params,
            opens,
            closing,
            failed: None,
        };
        self.hold(scheduled.id()).await?;
        self.store_scheduled(&scheduled).await?;
        tracing::info!(
            schedule_id = %scheduled.id(),
            task = %scheduled.terms().task,
            round_number = scheduled.terms().round_number,
            "a round is scheduled"
        );
        Ok(scheduled)
    }

    /// Takes a scheduled round back. It does not open once this has returned.
    pub(crate) async fn unschedule(&self, id: &RoundId) -> Result<(), RoundError> {
        let _changing = self.schedule.changing.lock().await;
        let taken = self.schedule.take_back(id)?;
        let removed = self.storage.remove(*id, Record::Scheduled).await;
        if removed.is_err() {
            self.schedule.put(taken);
        }
        removed?;
        Ok(self.storage.let_go(*id).await?)
    }

    /// One that will not open stays, with its reason.
    pub(super) async fn mark_failed(
        &self,
        scheduled: &ScheduledRound,
        why: String,
    ) -> Result<(), StorageError> {
        let failed = ScheduledRound {
            failed: Some(why),
            ..scheduled.clone()
        };
        let _changing = self.schedule.changing.lock().await;
        self.store_scheduled(&failed).await
    }

    /// One that has opened is a round now.
    pub(super) async fn mark_opened(&self, scheduled: &ScheduledRound) -> Result<(), StorageError> {
        let _changing = self.schedule.changing.lock().await;
        self.storage
            .remove(scheduled.id(), Record::Scheduled)
            .await?;
        self.schedule.take(scheduled);
        self.storage.let_go(scheduled.id()).await
    }

    /// Errs if another parent has this one by now. A parent that was taken for gone finds that out
    /// here, before the enclave opens a second one.
    pub(super) async fn must_be_ours(
        &self,
        scheduled: &ScheduledRound,
    ) -> Result<(), StorageError> {
        if !self.are_shared() {
            return Ok(());
        }
        let done = self.store_scheduled(scheduled).await;
        if matches!(done, Err(StorageError::Fenced(_))) {
            self.part_with(&scheduled.id());
        }
        done
    }

    async fn store_scheduled(&self, scheduled: &ScheduledRound) -> Result<(), StorageError> {
        let record = stored::encode(scheduled);
        self.storage
            .put(scheduled.id(), Record::Scheduled, record)
            .await?;
        self.schedule.put(scheduled.clone());
        Ok(())
    }

    /// Reads the queue back. One whose round was opened before the end goes.
    pub(crate) async fn load_schedule(&self) -> Result<(), StorageError> {
        for id in self.storage.rounds_with(Record::Scheduled).await? {
            if self.storage.hold(id).await? == Holder::Ours {
                self.take_scheduled(id).await?;
            }
        }
        Ok(())
    }

    /// Errs if these parameters are scheduled: opened by hand, they would lose their closing.
    pub(crate) fn must_not_wait(&self, params: &SignedRoundParams) -> Result<(), RoundError> {
        match self.schedule.find(&id_of(params)) {
            Some(waiting) if waiting.failed.is_none() => {
                Err(ScheduleError::Waits(waiting.id().to_string()).into())
            }
            _ => Ok(()),
        }
    }

    /// Reads one back that this parent holds. Says whether there was one.
    pub(crate) async fn take_scheduled(&self, id: RoundId) -> Result<bool, StorageError> {
        let Some(record) = self.storage.record(id, Record::Scheduled).await? else {
            return Ok(false);
        };
        match stored::decode(&record) {
            Some(scheduled) if self.has_round_of(&scheduled.params) => {
                self.storage.remove(id, Record::Scheduled).await?;
                self.storage.let_go(id).await?;
            }
            Some(scheduled) if scheduled.id() == id => self.schedule.put(scheduled),
            _ => {
                tracing::error!(schedule_id = %id, "a scheduled round was not read back: its record is damaged");
            }
        }
        Ok(true)
    }

    /// Where a scheduled round waits, if not here.
    pub(crate) async fn place_of_scheduled(
        &self,
        id: &RoundId,
    ) -> Result<Option<Whereabouts>, RoundError> {
        if self.schedule.find(id).is_some() {
            return Ok(None);
        }
        let stored = self.storage.record(*id, Record::Scheduled).await?;
        if stored.is_none() {
            return Ok(None);
        }
        Ok(match self.storage.hold(*id).await? {
            Holder::Theirs(place) => Some(place),
            // Nobody had it.
            Holder::Ours => {
                self.take_scheduled(*id).await?;
                None
            }
        })
    }

    pub(super) fn has_round_of(&self, params: &SignedRoundParams) -> bool {
        let rounds = self.everywhere();
        rounds.iter().any(|round| round.binding().params == *params)
    }

    /// Whether a round of this task is in progress.
    pub(super) fn is_busy_with(&self, scheduled: &ScheduledRound) -> bool {
        let rounds = self.everywhere();
        rounds.iter().any(|round| {
            round.terms().task == scheduled.terms().task
                && matches!(round.phase(), Phase::Collecting | Phase::Releasing)
        })
    }
}

/// Years of nights.
const LIMIT: usize = 1000;
