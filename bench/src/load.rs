//! A busy machine on purpose: to see that ratios hold there.

use std::process::{Child, Command};

use anyhow::{Context as _, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

use crate::probe::keystream;

/// Processes that do nothing but work; they end with this value.
pub struct Load(Vec<Child>);

impl Load {
    /// Starts so many.
    ///
    /// # Errors
    /// This program can't be started again.
    pub fn start(processes: usize) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut load = Self(Vec::new());
        for _ in 0..processes {
            let child = Command::new(&program).arg("busy").spawn();
            load.0.push(child.context("starting a busy process")?);
        }
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It never ends by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Works until it is killed, or whoever started it has ended.
///
/// # Errors
/// The kernel does not end orphans.
pub fn be_busy() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    loop {
        keystream(1 << 30);
    }
}
