//! A process that outlives the command that started it, and how to know it again.
//!
//! Its number alone could be another process's by now. Boot, number and start time
//! together name one process for good; Linux tells them in /proc.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A process, known again after any time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// Clock ticks from boot to its start.
    started: u64,
    boot: String,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It ended when it was asked to.
    Stopped,
    /// It did not, and was killed.
    Killed,
    /// It had ended before.
    Gone,
}

impl End {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Gone => "gone",
        }
    }
}

impl Process {
    fn of(pid: i32) -> Result<Self> {
        Ok(Self {
            pid,
            started: start_of(pid).with_context(|| format!("process {pid} is not in /proc"))?,
            boot: boot()?,
        })
    }

    /// Whether this very process runs.
    pub(super) fn runs(&self) -> bool {
        start_of(self.pid) == Some(self.started) && boot().is_ok_and(|boot| boot == self.boot)
    }

    /// Asks it to end, waits, and kills it if it does not.
    pub(super) fn stop(&self) -> Result<End> {
        if !self.runs() {
            return Ok(End::Gone);
        }
        self.signal(Signal::SIGTERM)?;
        if self.ends_within(PATIENCE) {
            return Ok(End::Stopped);
        }
        self.signal(Signal::SIGKILL)?;
        if self.ends_within(PATIENCE) {
            return Ok(End::Killed);
        }
        bail!("process {} does not end", self.pid)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("{signal} to process {}", self.pid)),
        }
    }

    fn ends_within(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.runs() {
            if begun.elapsed() > patience {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }
}

/// Starts a program in a group of its own, so that a Ctrl-C here is not one there, and
/// waits for the one line of JSON by which it says that it is ready.
pub(super) fn launch(mut command: Command, log: &Path) -> Result<(Process, Value)> {
    let writer = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| log.display().to_string())?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(writer)
        .process_group(0)
        .spawn()
        .with_context(|| format!("{command:?} did not start"))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    match serde_json::from_str(&line) {
        Ok(said) => Ok((Process::of(child.id().try_into()?)?, said)),
        Err(_) => {
            // It ended by itself, most likely, and said why.
            let _ = child.kill();
            let _ = child.wait();
            let text = fs::read_to_string(log).unwrap_or_default();
            let last: Vec<_> = text.lines().rev().take(LOG_LINES).collect();
            let last: Vec<_> = last.into_iter().rev().collect();
            bail!(
                "{} did not become ready: {line}\n{}",
                command.get_program().display(),
                last.join("\n")
            )
        }
    }
}

/// Field 22 of /proc/PID/stat (proc_pid_stat(5)); none if there is no such process, or it
/// only waits for its parent to notice that it ended.
fn start_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok())?
}

fn boot() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    let boot = fs::read_to_string(path).with_context(|| format!("{path}: is this Linux?"))?;
    Ok(boot.trim().to_owned())
}

/// A parent gives requests and work under way 20 s each, an enclave its parent 10 s.
const PATIENCE: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_millis(20);
const LOG_LINES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (std::process::Child, Process) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id().try_into().unwrap()).unwrap();
        (child, process)
    }

    #[test]
    fn a_process_is_known_again_until_it_ends() {
        let (mut child, process) = sleeper();
        assert!(process.runs());
        assert_eq!(process.stop().unwrap(), End::Stopped);
        assert!(
            !process.runs(),
            "nobody has waited for it yet, and it is over"
        );
        child.wait().unwrap();
        assert_eq!(process.stop().unwrap(), End::Gone);
    }

    #[test]
    fn whoever_has_the_number_now_is_left_alone() {
        let (mut child, process) = sleeper();
        let earlier = Process {
            started: process.started - 1,
            ..process.clone()
        };
        let before_boot = Process {
            boot: "another".to_owned(),
            ..process.clone()
        };
        for other in [earlier, before_boot] {
            assert_eq!(other.stop().unwrap(), End::Gone);
        }
        assert!(process.runs());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_program_that_does_not_become_ready_is_an_error_in_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo the port is taken >&2"]);
        let error = launch(command, &folder.path().join("log")).unwrap_err();
        assert!(error.to_string().contains("the port is taken"), "{error}");
    }
}
