//! The signals that ask this process to end: taken by one thread that waits for them,
//! so that nothing runs inside a signal's handler.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};

/// SIGTERM and SIGINT, held back from every thread that is started after this.
pub(crate) struct Signals(SigSet);

impl Signals {
    /// Called before the first thread starts.
    ///
    /// # Errors
    /// The system declines.
    pub(crate) fn hold_back() -> Result<Self, Errno> {
        let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
        signals.thread_block()?;
        Ok(Self(signals))
    }

    /// Waits for the first; a second one ends the process as if nobody had asked.
    ///
    /// # Errors
    /// The system declines.
    pub(crate) fn wait(self) -> Result<Signal, Errno> {
        let signal = loop {
            match self.0.wait() {
                Err(Errno::EINTR) => {}
                waited => break waited?,
            }
        };
        self.0.thread_unblock()?;
        Ok(signal)
    }
}
