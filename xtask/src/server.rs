//! A server of ours as a process: started, waited for, killed when it is no longer wanted.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A process that is killed when this is dropped.
pub(crate) struct Server(Child);

impl Server {
    /// Starts a program and waits for the one line of JSON by which it says that it is ready.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<(Self, Value)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(log)?)
            .spawn()
            .with_context(|| format!("{command:?} did not start"))?;
        let stdout = child.stdout.take();
        let server = Self(child);
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let said = serde_json::from_str(&line).with_context(|| {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            format!("{command:?} did not say that it is ready: {line}{log}")
        })?;
        Ok((server, said))
    }

    /// Starts a program and waits for nothing; what it says goes nowhere.
    pub(crate) fn launch(mut command: Command, log: &Path) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::options().create(true).append(true).open(log)?)
            .spawn()
            .with_context(|| format!("{command:?} did not start"))?;
        Ok(Self(child))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after this.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
