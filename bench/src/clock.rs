//! Timing by turns: what we do and its probe alternate, so that whatever else the machine is at
//! falls on both; what counts is the median of the turns' ratios.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// What time is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// This thread's CPU time: for work of one thread.
    Thread,
    /// This process's CPU time: for work of several.
    Process,
    /// Time as it passes: for how well threads share work.
    Wall,
}

impl Clock {
    /// The time that `work` takes.
    pub(crate) fn time(self, work: &mut dyn FnMut()) -> Duration {
        let started = self.now();
        work();
        self.now().saturating_sub(started)
    }

    /// Since some fixed point.
    pub(crate) fn now(self) -> Duration {
        let id = match self {
            Self::Thread => ClockId::CLOCK_THREAD_CPUTIME_ID,
            Self::Process => ClockId::CLOCK_PROCESS_CPUTIME_ID,
            Self::Wall => ClockId::CLOCK_MONOTONIC,
        };
        Duration::from(clock_gettime(id).expect("each Linux has this clock"))
    }
}

/// Times of two works that alternated.
pub(crate) struct Turns(Vec<(f64, f64)>);

impl Turns {
    /// Alternates both, `turns` times, after one run of each that does not count.
    pub(crate) fn of(
        clock: Clock,
        turns: usize,
        ours: &mut dyn FnMut(),
        limit: &mut dyn FnMut(),
    ) -> Self {
        ours();
        limit();
        let one = |turn: usize| {
            // Who goes first alternates too.
            if turn.is_multiple_of(2) {
                let ours = clock.time(ours);
                (ours, clock.time(limit))
            } else {
                let limit = clock.time(limit);
                (clock.time(ours), limit)
            }
        };
        Self::from((0..turns).map(one).collect::<Vec<_>>())
    }

    /// Ours over limit, turn by turn: good when small.
    pub(crate) fn ours_to_limit(&self) -> Vec<f64> {
        self.0.iter().map(|(ours, limit)| ours / limit).collect()
    }

    /// Limit over ours, turn by turn: the part of what is possible that we reach.
    pub(crate) fn limit_to_ours(&self) -> Vec<f64> {
        self.0.iter().map(|(ours, limit)| limit / ours).collect()
    }

    /// Ours, in ms.
    pub(crate) fn ours_ms(&self) -> Vec<f64> {
        self.0.iter().map(|(ours, _)| ours * 1e3).collect()
    }

    /// Limit, in ms.
    pub(crate) fn limit_ms(&self) -> Vec<f64> {
        self.0.iter().map(|(_, limit)| limit * 1e3).collect()
    }
}

impl From<Vec<(Duration, Duration)>> for Turns {
    fn from(times: Vec<(Duration, Duration)>) -> Self {
        let seconds =
            |(ours, limit): (Duration, Duration)| (ours.as_secs_f64(), limit.as_secs_f64());
        Self(times.into_iter().map(seconds).collect())
    }
}

/// Runs `work` and gives the time that passed.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}
