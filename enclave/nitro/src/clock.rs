//! The core's clock: the kernel's monotonic one. The hypervisor may slow it, so the
//! core bounds lifetimes by it and nothing else.

use std::time::Instant;

use sealsum_enclave_core::Clock;

/// Milliseconds since [`BootClock::start`].
pub(crate) struct BootClock(Instant);

impl BootClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for BootClock {
    fn monotonic_millis(&self) -> u64 {
        // 2^64 ms are 584 million years.
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
