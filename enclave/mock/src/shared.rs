//! The enclave as all threads share it, and when the process may end.
//!
//! A reply counts as given only once its last byte was written: an abort receipt that
//! the core handed over and the process took with it would leave a round lost.

use std::process;
use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use sealsum_enclave_core::{Clock, Enclave, Nsm};

/// One enclave behind all connections.
pub(crate) struct Shared<N, C> {
    enclave: Mutex<Enclave<N, C>>,
    /// Read from a command's arrival to the last byte of its reply.
    replying: RwLock<()>,
}

impl<N: Nsm, C: Clock> Shared<N, C> {
    pub(crate) fn new(enclave: Enclave<N, C>) -> Self {
        Self {
            enclave: Mutex::new(enclave),
            replying: RwLock::new(()),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Enclave<N, C>> {
        // A thread panicked in the middle of a change. The rounds are lost, as on any
        // crash; a state that is half changed must not be used.
        self.enclave.lock().unwrap_or_else(|_| process::abort())
    }

    /// Held while a command is carried out and answered.
    pub(crate) fn replying(&self) -> RwLockReadGuard<'_, ()> {
        self.replying.read().unwrap_or_else(|_| process::abort())
    }

    /// Has releases erased whose time is over, for as long as the process lives.
    pub(crate) fn sweep(&self, pause: Duration) -> ! {
        loop {
            thread::sleep(pause);
            self.lock().erase_overdue();
        }
    }

    /// Shuts the enclave down, and waits until it may end or `grace` is over. True if
    /// it ends with nothing owed.
    pub(crate) fn shut_down(&self, grace: Duration) -> bool {
        self.lock().shutdown();
        let begun = Instant::now();
        loop {
            if self.lock().is_at_rest() && self.replying.try_write().is_ok() {
                return true;
            }
            if begun.elapsed() >= grace {
                return false;
            }
            thread::sleep(LOOK_PAUSE.min(grace));
        }
    }
}

const LOOK_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sealsum_enclave_core::DeviceFault;
    use sealsum_protocol::{Digest, RoundId};

    use super::*;

    struct NoDevice;

    impl Nsm for NoDevice {
        fn attest(&mut self, _: &Digest, _: &RoundId) -> Result<Vec<u8>, DeviceFault> {
            Err(DeviceFault)
        }

        fn random(&mut self, _: &mut [u8]) -> Result<(), DeviceFault> {
            Err(DeviceFault)
        }
    }

    /// Counts how often it is looked at.
    #[derive(Clone, Default)]
    struct Counting(Arc<AtomicUsize>);

    impl Clock for Counting {
        fn monotonic_millis(&self) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed);
            0
        }
    }

    fn shared() -> (Arc<Shared<NoDevice, Counting>>, Counting) {
        let clock = Counting::default();
        let enclave = Enclave::new(NoDevice, clock.clone(), 1 << 20);
        (Arc::new(Shared::new(enclave)), clock)
    }

    #[test]
    fn overdue_releases_are_looked_for_though_no_command_comes() {
        let (shared, clock) = shared();
        thread::spawn(move || shared.sweep(Duration::from_millis(1)));
        let begun = Instant::now();
        while clock.0.load(Ordering::Relaxed) < 2 {
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody looked");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn an_idle_enclave_ends_at_once_and_one_in_the_middle_of_a_reply_does_not() {
        let (shared, _) = shared();
        let reply = shared.replying();
        assert!(!shared.shut_down(Duration::from_millis(50)));
        drop(reply);
        assert!(shared.shut_down(Duration::ZERO));
    }
}
