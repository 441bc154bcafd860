//! A security module and a clock in memory, for tests of the core alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sealsum_enclave_core::{Clock, DeviceFault, Nsm};
use sealsum_protocol::{Digest, RoundId};

use crate::SeededRng;

/// Gives repeatable entropy and documents that are just nonce and user data.
pub struct TestNsm {
    rng: SeededRng,
    broken: Arc<AtomicBool>,
}

impl TestNsm {
    /// With entropy named by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            rng: SeededRng::new(seed),
            broken: Arc::default(),
        }
    }

    /// While set, the device does not answer.
    #[must_use]
    pub fn broken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.broken)
    }

    fn answers(&self) -> Result<(), DeviceFault> {
        if self.broken.load(Ordering::Relaxed) {
            Err(DeviceFault)
        } else {
            Ok(())
        }
    }
}

impl Nsm for TestNsm {
    fn attest(&mut self, nonce: &Digest, user_data: &RoundId) -> Result<Vec<u8>, DeviceFault> {
        self.answers()?;
        Ok([*nonce.as_bytes(), *user_data.as_bytes()].concat())
    }

    fn random(&mut self, secret: &mut [u8]) -> Result<(), DeviceFault> {
        self.answers()?;
        secret
            .iter_mut()
            .for_each(|byte| [*byte] = self.rng.bytes());
        Ok(())
    }
}

/// A clock that tests set.
#[derive(Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// Moves it forward.
    pub fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn monotonic_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
