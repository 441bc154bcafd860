//! An enclave in this process.

use core::num::NonZeroUsize;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sealsum_enclave_core::{ConnectionId, Enclave, MEMORY_CEILING};
use sealsum_protocol::{Command, Reply};

use crate::{Link, TestClock, TestNsm};

/// One connection to an enclave that several may share.
pub struct LocalEnclave {
    enclave: Rc<RefCell<Enclave<TestNsm, TestClock>>>,
    connection: ConnectionId,
    /// Its clock.
    pub clock: TestClock,
    /// While set, its security module does not answer.
    pub broken: Arc<AtomicBool>,
}

impl LocalEnclave {
    /// A fresh enclave with the production memory ceiling.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_memory(seed, MEMORY_CEILING)
    }

    /// A fresh enclave with another ceiling, in bytes.
    #[must_use]
    pub fn with_memory(seed: u64, ceiling: u64) -> Self {
        Self::start(seed, ceiling, NonZeroUsize::MIN)
    }

    /// A fresh enclave with the production memory ceiling that works on so many threads.
    #[must_use]
    pub fn with_threads(seed: u64, threads: usize) -> Self {
        Self::start(seed, MEMORY_CEILING, NonZeroUsize::new(threads).unwrap())
    }

    fn start(seed: u64, ceiling: u64, threads: NonZeroUsize) -> Self {
        let (nsm, clock) = (TestNsm::new(seed), TestClock::default());
        let broken = nsm.broken();
        let enclave = Enclave::new(nsm, clock.clone(), ceiling).with_threads(threads);
        let enclave = Rc::new(RefCell::new(enclave));
        Self {
            enclave,
            connection: ConnectionId(1),
            clock,
            broken,
        }
    }

    /// Another connection to the same enclave.
    #[must_use]
    pub fn connect(&self, connection: u64) -> Self {
        Self {
            enclave: Rc::clone(&self.enclave),
            connection: ConnectionId(connection),
            clock: self.clock.clone(),
            broken: Arc::clone(&self.broken),
        }
    }

    /// Tells the enclave to shut down.
    pub fn shutdown(&self) {
        self.enclave.borrow_mut().shutdown();
    }

    /// Whether the enclave may end without a loss.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.enclave.borrow().is_at_rest()
    }

    /// What whoever runs the enclave does on a timer.
    pub fn erase_overdue(&self) {
        self.enclave.borrow_mut().erase_overdue();
    }

    /// Ends this connection.
    pub fn disconnect(&self) {
        self.enclave.borrow_mut().disconnect(self.connection);
    }
}

impl Link for LocalEnclave {
    fn call(&mut self, command: Command, body: &[u8]) -> (Reply, Vec<u8>) {
        let answer = self
            .enclave
            .borrow_mut()
            .handle(self.connection, command, body);
        (answer.reply, answer.body)
    }
}
