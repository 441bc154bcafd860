//! The rounds that are to open: durable before whoever scheduled one is told so.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{RoundId, SignedRoundParams};

use super::{ClosingRule, Opens, ScheduleError, ScheduledRound, id_of, stored};
use crate::round::RoundError;
use crate::rounds::Rounds;
use crate::storage::{Record, StorageError};

/// What waits, oldest first.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<BTreeMap<u64, ScheduledRound>>,
    /// Held while something is added: what is checked still holds when it is written.
    adding: tokio::sync::Mutex<()>,
}

impl Queue {
    pub(super) fn list(&self) -> Vec<ScheduledRound> {
        self.waiting().values().cloned().collect()
    }

    fn find(&self, id: &RoundId) -> Option<ScheduledRound> {
        let waiting = self.waiting();
        waiting.values().find(|round| round.id() == *id).cloned()
    }

    fn put(&self, scheduled: ScheduledRound) {
        self.waiting().insert(scheduled.sequence, scheduled);
    }

    fn take(&self, sequence: u64) {
        self.waiting().remove(&sequence);
    }

    /// Held for moments only, never across an await.
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, ScheduledRound>> {
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
        let _adding = self.schedule.adding.lock().await;
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
        self.store_scheduled(&scheduled).await?;
        tracing::info!(
            schedule_id = %scheduled.id(),
            task = %scheduled.terms().task,
            round_number = scheduled.terms().round_number,
            "a round is scheduled"
        );
        Ok(scheduled)
    }

    /// Takes a scheduled round back.
    pub(crate) async fn unschedule(&self, id: &RoundId) -> Result<(), RoundError> {
        let known = self.schedule.find(id).ok_or(ScheduleError::Unknown)?;
        Ok(self.drop_scheduled(&known).await?)
    }

    pub(super) async fn store_scheduled(
        &self,
        scheduled: &ScheduledRound,
    ) -> Result<(), StorageError> {
        let record = stored::encode(scheduled);
        self.storage
            .put(scheduled.id(), Record::Scheduled, record)
            .await?;
        self.schedule.put(scheduled.clone());
        Ok(())
    }

    pub(super) async fn drop_scheduled(
        &self,
        scheduled: &ScheduledRound,
    ) -> Result<(), StorageError> {
        self.storage
            .remove(scheduled.id(), Record::Scheduled)
            .await?;
        self.schedule.take(scheduled.sequence);
        Ok(())
    }

    /// Reads the queue back. One whose round was opened before the end goes.
    pub(crate) async fn load_schedule(&self) -> Result<(), StorageError> {
        for id in self.storage.rounds_with(Record::Scheduled).await? {
            let record = self.storage.record(id, Record::Scheduled).await?;
            match record.as_deref().and_then(stored::decode) {
                Some(scheduled) if self.has_round_of(&scheduled.params) => {
                    self.storage.remove(id, Record::Scheduled).await?;
                }
                Some(scheduled) if scheduled.id() == id => self.schedule.put(scheduled),
                _ => {
                    tracing::error!(schedule_id = %id, "a scheduled round was not read back: its record is damaged");
                }
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

    pub(super) fn has_round_of(&self, params: &SignedRoundParams) -> bool {
        let rounds = self.list();
        rounds.iter().any(|round| round.binding().params == *params)
    }

    /// Whether a round of this task is in progress.
    pub(super) fn is_busy_with(&self, scheduled: &ScheduledRound) -> bool {
        let rounds = self.list();
        rounds.iter().any(|round| {
            round.terms().task == scheduled.terms().task
                && matches!(round.phase(), Phase::Collecting | Phase::Releasing)
        })
    }
}

/// Years of nights.
const LIMIT: usize = 1000;
