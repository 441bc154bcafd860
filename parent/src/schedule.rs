//! Rounds that run themselves: opened at a time or once the one before has ended, closed at a
//! target cohort or a deadline, whichever comes first.
//!
//! The operator signs the parameters ahead; the parent holds no key of anyone's. What it does by
//! schedule, its operator could do by hand at the same moment.

mod error;
mod queue;
mod runner;
mod stored;

pub use error::ScheduleError;
pub(crate) use queue::Queue;
pub(crate) use stored::StoredClosing;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use sealsum_protocol::{RoundId, RoundTerms, SignedRoundParams};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

/// When a round closes by itself; the operator may still do so before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClosingRule {
    /// As soon as so many contributions are in: min_cohort to max_cohort.
    pub target_cohort: Option<u32>,
    /// So many seconds after it has opened: released if min_cohort is reached, else aborted, so that
    /// whoever contributed has proof and may contribute elsewhere.
    pub closes_after_seconds: Option<u64>,
}

impl ClosingRule {
    pub(crate) fn check(&self, terms: &RoundTerms) -> Result<(), ScheduleError> {
        match self.target_cohort {
            Some(target) if !(terms.min_cohort..=terms.max_cohort).contains(&target) => {
                Err(ScheduleError::Target {
                    target,
                    least: terms.min_cohort,
                    most: terms.max_cohort,
                })
            }
            _ => match self.closes_after_seconds {
                Some(seconds) if !(1..=LONGEST).contains(&seconds) => {
                    Err(ScheduleError::Deadline(seconds))
                }
                _ => Ok(()),
            },
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.target_cohort.is_none() && self.closes_after_seconds.is_none()
    }
}

/// When a scheduled round opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Opens {
    /// At this time, in seconds since 1970.
    At(u64),
    /// As soon as no round of its task is in progress, and none that was scheduled before it
    /// waits.
    AfterPrevious,
}

impl Opens {
    fn check(self) -> Result<(), ScheduleError> {
        match self {
            Self::At(time) if time > unix_now().saturating_add(10 * LONGEST) => {
                Err(ScheduleError::Time(time))
            }
            _ => Ok(()),
        }
    }
}

/// A round that is to open.
#[derive(Clone, Debug)]
pub(crate) struct ScheduledRound {
    /// Counts what was scheduled.
    pub(crate) sequence: u64,
    pub(crate) params: SignedRoundParams,
    pub(crate) opens: Opens,
    pub(crate) closing: ClosingRule,
    /// Why it will not open.
    pub(crate) failed: Option<String>,
}

impl ScheduledRound {
    /// One for each set of parameters. It is no round's id, which comes of the enclave's keys, but has
    /// its form.
    pub(crate) fn id(&self) -> RoundId {
        id_of(&self.params)
    }

    pub(crate) fn terms(&self) -> &RoundTerms {
        self.params.params.terms()
    }

    fn is_due(&self, now: u64) -> bool {
        match self.opens {
            Opens::At(time) => time <= now,
            Opens::AfterPrevious => true,
        }
    }
}

pub(crate) fn id_of(params: &SignedRoundParams) -> RoundId {
    let bytes = sealsum_protocol::canonical::encode(params);
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, &bytes).as_ref());
    RoundId::new(id)
}

/// How a round's closing stands: the rule, and its deadline on a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing {
    pub(crate) rule: ClosingRule,
    /// In seconds since 1970, for people and for the next start.
    pub(crate) closes_at: Option<u64>,
    deadline: Option<Instant>,
}

impl Closing {
    /// Of a round that opens now.
    pub(crate) fn from_now(rule: ClosingRule) -> Self {
        Self::new(rule, rule.closes_after_seconds.map(|s| unix_now() + s))
    }

    /// Of a round that was opened before this start. A clock that was set meanwhile moves the deadline
    /// by as much, at most to now or to the whole time again.
    pub(crate) fn new(rule: ClosingRule, closes_at: Option<u64>) -> Self {
        let left = closes_at.map(|at| {
            let whole = rule.closes_after_seconds.unwrap_or(LONGEST);
            at.saturating_sub(unix_now()).min(whole)
        });
        Self {
            rule,
            closes_at,
            deadline: left.map(|left| Instant::now() + Duration::from_secs(left)),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    pub(crate) fn is_reached(&self, contributions: u64) -> bool {
        self.rule
            .target_cohort
            .is_some_and(|target| contributions >= target.into())
    }
}

/// Seconds since 1970, by a clock that somebody may set.
pub(crate) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A year: what is longer is a mistake in units.
const LONGEST: u64 = 366 * 24 * 60 * 60;
