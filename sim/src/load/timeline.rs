//! What happened when: latencies second by second, memory and processor time beside them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Everything that was measured while the clock ran.
pub(crate) struct Timeline {
    begun: Instant,
    seconds: Mutex<Vec<Second>>,
}

/// One second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    /// In microseconds.
    pub(crate) joins: Vec<u32>,
    pub(crate) contributions: Vec<u32>,
    pub(crate) bytes: u64,
    /// Resident memory of the parent at its end, in bytes; 0 if nobody looked.
    pub(crate) resident: u64,
    /// Whether clients were at work, rather than sealing for the next round.
    pub(crate) is_load: bool,
}

impl Timeline {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            seconds: Mutex::default(),
        }
    }

    pub(crate) fn joined(&self, took: Duration) {
        self.now(|second| second.joins.push(micros(took)));
    }

    pub(crate) fn contributed(&self, took: Duration, bytes: usize) {
        self.now(|second| {
            second.contributions.push(micros(took));
            second.bytes += bytes as u64;
        });
    }

    pub(crate) fn sampled(&self, resident: u64, is_load: bool) {
        self.now(|second| {
            second.resident = resident;
            second.is_load |= is_load;
        });
    }

    pub(crate) fn seconds(&self) -> Vec<Second> {
        self.hold().clone()
    }

    fn now(&self, note: impl FnOnce(&mut Second)) {
        let place = usize::try_from(self.begun.elapsed().as_secs()).unwrap_or(0);
        let mut seconds = self.hold();
        if seconds.len() <= place {
            seconds.resize(place + 1, Second::default());
        }
        note(&mut seconds[place]);
    }

    fn hold(&self) -> MutexGuard<'_, Vec<Second>> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

/// The value that `part` of a hundred are not above, in milliseconds.
pub(crate) fn percentile(mut micros: Vec<u32>, part: usize) -> f64 {
    micros.sort_unstable();
    let place = (micros.len() * part).div_ceil(100).saturating_sub(1);
    micros.get(place).copied().unwrap_or(0) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let micros: Vec<u32> = (1..=100).rev().map(|n| n * 1000).collect();
        assert_eq!(percentile(micros.clone(), 50), 50.0);
        assert_eq!(percentile(micros.clone(), 99), 99.0);
        assert_eq!(percentile(micros, 100), 100.0);
        assert_eq!(percentile(vec![7000], 50), 7.0);
        assert_eq!(percentile(vec![], 99), 0.0);
    }
}
