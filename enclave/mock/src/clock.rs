//! The core's clock: this process's own, from its start.

use std::time::Instant;

use sealsum_enclave_core::Clock;

/// Milliseconds since [`ProcessClock::start`].
pub(crate) struct ProcessClock(Instant);

impl ProcessClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for ProcessClock {
    fn monotonic_millis(&self) -> u64 {
        // 2^64 ms are 584 million years.
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
