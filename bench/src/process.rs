//! Programs as processes: started, waited for, looked at, killed on drop.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde_json::Value;

/// A program that said where it listens.
pub(crate) struct Process {
    child: Child,
    /// What it said.
    pub(crate) said: Value,
}

impl Process {
    /// Starts a program, its log in `log`, and waits for the line of JSON by which it is ready.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .with_context(|| format!("{command:?} did not start"))?;
        // From here on it is killed whatever happens.
        let mut process = Self {
            child,
            said: Value::Null,
        };
        let mut line = String::new();
        if let Some(stdout) = process.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        process.said = serde_json::from_str(&line).with_context(|| {
            let log = fs::read_to_string(log).unwrap_or_default();
            format!("{command:?} did not become ready: {line}{log}")
        })?;
        Ok(process)
    }

    /// Where it listens.
    pub(crate) fn listening(&self) -> &str {
        self.said["listening"].as_str().unwrap_or_default()
    }

    /// CPU time of all its threads so far, ended ones too.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let pid = Pid::from_raw(self.child.id().try_into()?);
        Ok(clock_gettime(clock_getcpuclockid(pid)?)?.into())
    }

    /// The most memory that it ever had resident, in bytes.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let kib = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next())
            .context("a process without memory")?;
        Ok(kib.parse::<u64>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
