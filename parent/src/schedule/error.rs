//! Why a round is not scheduled. Whoever asked is at fault.

/// Why a round is not scheduled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A target that the round can't have.
    #[error("target_cohort is {target}; this round takes {least} to {most} contributions")]
    Target {
        /// What was asked for.
        target: u32,
        /// The round's min_cohort.
        least: u32,
        /// Its max_cohort.
        most: u32,
    },
    /// A deadline that is none.
    #[error("closes_after_seconds is {0}; it is 1 to 31622400, a year")]
    Deadline(u64),
    /// These parameters are scheduled in another way.
    #[error(
        "these parameters are scheduled already, with another opening or closing; take that back first: sealsum round unschedule {0}"
    )]
    Another(String),
    /// These parameters wait in the schedule.
    #[error(
        "a round of these parameters is scheduled, with its own opening and closing; take it back first: sealsum round unschedule {0}"
    )]
    Waits(String),
    /// A round of these parameters was opened before.
    #[error(
        "a round of these parameters was opened here before, and clients seal for one round number once: sign the next number"
    )]
    Opened,
    /// It is too late to take it back.
    #[error("the round is being opened just now: close or abort it once it is listed")]
    Opening,
    /// A time that nobody means.
    #[error("opens at {0}, which is more than ten years from now: it is in seconds since 1970")]
    Time(u64),
    /// The queue is full.
    #[error("{0} rounds are scheduled, which is as many as this parent keeps")]
    Full(usize),
    /// There is none of that id.
    #[error("no round of that id is scheduled; it may have opened")]
    Unknown,
}
