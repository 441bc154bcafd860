//! The one who looks at the clock: opens what is due, closes what is reached or over.
//!
//! Whatever fails in passing is tried again, later each time; what the enclave refuses for good is
//! marked and told, and the next in the queue goes on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{Refusal, RoundId, TaskName};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Opens, ScheduledRound, unix_now};
use crate::enclave_link::LinkError;
use crate::round::{Round, RoundError};
use crate::rounds::Rounds;
use crate::storage::StorageError;

/// What is under way, and what waits for its next try.
#[derive(Default)]
struct Runner {
    under_way: JoinSet<(RoundId, bool)>,
    busy: BTreeSet<RoundId>,
    again: HashMap<RoundId, Again>,
}

struct Again {
    at: Instant,
    pause: Duration,
}

impl Rounds {
    /// Runs the schedule for as long as the parent runs.
    pub(crate) async fn run_schedule(self: &Arc<Self>) {
        let mut runner = Runner::default();
        loop {
            tokio::time::sleep(self.limits.schedule).await;
            runner.note_what_ended();
            self.open_what_is_due(&mut runner);
            self.close_what_is_reached(&mut runner);
        }
    }

    fn open_what_is_due(self: &Arc<Self>, runner: &mut Runner) {
        // A storage that was put back has an earlier schedule, too: what it would open may have been
        // open, and have contributions that the newer storage knows.
        if self.list().iter().any(|round| round.is_rolled_back()) {
            return;
        }
        let now = unix_now();
        let mut earlier: BTreeSet<TaskName> = BTreeSet::new();
        for scheduled in self.scheduled() {
            if scheduled.failed.is_some() {
                continue;
            }
            let first_of_task = earlier.insert(scheduled.terms().task.clone());
            let waits = scheduled.opens == Opens::AfterPrevious
                && (!first_of_task || self.is_busy_with(&scheduled));
            if waits || !scheduled.is_due(now) || !runner.may_try(&scheduled.id()) {
                continue;
            }
            let rounds = Arc::clone(self);
            runner.start(scheduled.id(), async move {
                rounds.open_scheduled(scheduled).await
            });
        }
    }

    /// Says whether it is done, or never will be.
    async fn open_scheduled(self: &Arc<Self>, scheduled: ScheduledRound) -> bool {
        if !self.schedule.begin_opening(&scheduled) {
            // It was taken back meanwhile.
            return true;
        }
        let done = self.open_and_tell(&scheduled).await;
        self.schedule.end_opening(&scheduled.id());
        done
    }

    async fn open_and_tell(self: &Arc<Self>, scheduled: &ScheduledRound) -> bool {
        if self.has_round_of(&scheduled.params) {
            // It opened, and the schedule could not be written then.
            return self.mark_opened(scheduled).await.is_ok();
        }
        if let Err(error) = self.must_be_ours(scheduled).await {
            tracing::warn!(schedule_id = %scheduled.id(), %error, "a scheduled round is not opened here");
            return matches!(error, StorageError::Fenced(_));
        }
        let opened = self.open(scheduled.params.clone(), scheduled.closing).await;
        let stored = match opened {
            Ok(round) => {
                tracing::info!(
                    schedule_id = %scheduled.id(),
                    round_id = %round.id(),
                    task = %scheduled.terms().task,
                    round_number = scheduled.terms().round_number,
                    "a scheduled round opened"
                );
                self.mark_opened(scheduled).await
            }
            Err(error) if self.passes(&error) => {
                tracing::warn!(schedule_id = %scheduled.id(), %error, "a scheduled round does not open yet; it is tried again");
                return false;
            }
            Err(error) => {
                tracing::error!(schedule_id = %scheduled.id(), %error, "a scheduled round will not open; the next goes on");
                self.mark_failed(scheduled, error.to_string()).await
            }
        };
        if let Err(error) = &stored {
            tracing::error!(schedule_id = %scheduled.id(), %error, "the schedule was not stored");
        }
        stored.is_ok()
    }

    /// Whether opening may succeed later with the same parameters.
    fn passes(&self, error: &RoundError) -> bool {
        match error {
            // Another round's end gives its memory back; alone, it will never fit.
            RoundError::Link(LinkError::Refused(Refusal::Memory { .. })) => {
                self.openings.are_left() || self.list().iter().any(|round| round.is_in_progress())
            }
            RoundError::Link(LinkError::Refused(refusal)) => matches!(
                refusal,
                Refusal::Busy
                    | Refusal::Device
                    | Refusal::TooManyRounds { .. }
                    | Refusal::ShuttingDown
            ),
            RoundError::Link(_) | RoundError::Storage(_) | RoundError::Interrupted => true,
            _ => false,
        }
    }

    fn close_what_is_reached(self: &Arc<Self>, runner: &mut Runner) {
        for round in self.list() {
            if round.phase() != Phase::Collecting || round.is_rolled_back() {
                continue;
            }
            let Some(closing) = round.closing() else {
                continue;
            };
            let contributions = round.contributions();
            let over = closing.is_over();
            if !(over || closing.is_reached(contributions)) || !runner.may_try(&round.id()) {
                continue;
            }
            let rounds = Arc::clone(self);
            runner.start(round.id(), async move { rounds.end(&round, over).await });
        }
    }

    /// Closes the round, or aborts it if its time is over and too few are in. Says whether it is
    /// done, or never will be.
    async fn end(self: &Arc<Self>, round: &Arc<Round>, over: bool) -> bool {
        let too_few = round.contributions() < round.terms().min_cohort.into();
        let closed = if over && too_few {
            Err(RoundError::Link(LinkError::Refused(
                Refusal::CohortTooSmall {
                    size: u32::try_from(round.contributions()).unwrap_or(u32::MAX),
                    minimum: round.terms().min_cohort,
                },
            )))
        } else {
            self.close(round).await.map(drop)
        };
        let ended = match closed {
            Err(error) if over && error.refusal().is_some_and(is_too_few) => {
                let aborted = self.abort(round).await;
                if aborted.is_ok() {
                    tracing::warn!(
                        round_id = %round.id(),
                        contributions = round.contributions(),
                        min_cohort = round.terms().min_cohort,
                        "the deadline came with too few in: the round was aborted"
                    );
                }
                aborted.map(drop)
            }
            ended => ended,
        };
        match ended {
            Ok(()) | Err(RoundError::Phase(_) | RoundError::Lost) => true,
            Err(error) => {
                tracing::warn!(round_id = %round.id(), %error, "the round did not end by its schedule; it is tried again");
                false
            }
        }
    }
}

impl Runner {
    fn start(&mut self, id: RoundId, work: impl Future<Output = bool> + Send + 'static) {
        self.busy.insert(id);
        self.under_way.spawn(async move { (id, work.await) });
    }

    fn may_try(&self, id: &RoundId) -> bool {
        let waits = self
            .again
            .get(id)
            .is_some_and(|again| again.at > Instant::now());
        !waits && !self.busy.contains(id)
    }

    fn note_what_ended(&mut self) {
        while let Some(ended) = self.under_way.try_join_next() {
            let Ok((id, done)) = ended else {
                // A panic: which it was is not known, so none is waited for.
                tracing::error!("work of the schedule ended by a panic");
                self.busy.clear();
                continue;
            };
            self.busy.remove(&id);
            if done {
                self.again.remove(&id);
                continue;
            }
            let before = self.again.get(&id).map(|again| again.pause);
            let pause = before.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
            let at = Instant::now() + pause;
            self.again.insert(id, Again { at, pause });
        }
    }
}

const fn is_too_few(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::CohortTooSmall { .. })
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
