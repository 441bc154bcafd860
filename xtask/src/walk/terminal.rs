//! One terminal: a bash of its own that is given blocks as a reader types them, and ends
//! with its services.
//!
//! A block is done when its commands are, or when what runs in the foreground says where
//! it listens. The first command that fails ends the session.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::script::Block;

/// Where a terminal is opened.
pub(super) struct Place<'a> {
    /// The folder that it begins in.
    pub(super) folder: &'a Path,
    /// Where its scripts may lie, so that the folder holds only what a reader's would.
    pub(super) scripts: &'a Path,
    /// Its PATH.
    pub(super) path: &'a std::ffi::OsStr,
    /// Show what it says.
    pub(super) aloud: bool,
}

/// A bash session.
pub(super) struct Terminal {
    name: String,
    bash: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    said: Vec<String>,
    scripts: PathBuf,
    aloud: bool,
    /// A service has the foreground.
    serving: bool,
}

impl Terminal {
    pub(super) fn open(name: &str, place: &Place<'_>) -> Result<Self> {
        // Whoever runs this in the background may have it ignore SIGINT, and all below it; a
        // terminal's programs never do.
        let mut bash = Command::new("env")
            .args(["--default-signal=INT", "bash", "--noprofile", "--norc"])
            .current_dir(place.folder)
            .env("PATH", place.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("bash did not start")?;
        let (lines, received) = channel();
        // Whoever reads ends when bash and its services have ended.
        read_lines(bash.stdout.take(), lines.clone());
        read_lines(bash.stderr.take(), lines);
        let mut terminal = Self {
            name: name.to_owned(),
            input: bash.stdin.take(),
            bash,
            lines: received,
            said: Vec::new(),
            scripts: place.scripts.to_owned(),
            aloud: place.aloud,
            serving: false,
        };
        terminal.type_line(STRICT)?;
        Ok(terminal)
    }

    pub(super) fn is_serving(&self) -> bool {
        self.serving
    }

    /// Types a block and waits until it is done, or serves.
    pub(super) fn run(&mut self, block: &Block) -> Result<()> {
        ensure!(
            !self.serving,
            "README.md:{}: the terminal {} is taken by the service that it started",
            block.line,
            self.name
        );
        let script = self.scripts.join(format!("{}.sh", block.line));
        fs::write(&script, &block.commands)?;
        let script = script
            .to_str()
            .context("the temporary folder is not UTF-8")?;
        // Nobody is at the keyboard: what asks gets no answer.
        self.type_line(&format!(". '{script}' < /dev/null; echo \"{DONE} $?\""))?;
        self.serving = self
            .wait(|line| says_ready(line) || line == SUCCESS)
            .with_context(|| format!("README.md:{}, terminal {}", block.line, self.name))?
            != SUCCESS;
        Ok(())
    }

    /// Ctrl-C: ends the service in the foreground, which has to end well.
    pub(super) fn interrupt(&mut self) -> Result<()> {
        for pid in self.children() {
            kill(Pid::from_raw(pid), Signal::SIGINT)?;
        }
        self.serving = false;
        let name = self.name.clone();
        self.wait(|line| line == SUCCESS)
            .with_context(|| format!("Ctrl-C in the terminal {name}"))?;
        Ok(())
    }

    fn type_line(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("the terminal has no input")?;
        writeln!(input, "{line}").context("bash takes no more input")
    }

    /// Listens until a line is what is waited for.
    fn wait(&mut self, is: impl Fn(&str) -> bool) -> Result<String> {
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => bail!(
                    "nothing came of it within {} s\n{}",
                    PATIENCE.as_secs(),
                    self.last_words()
                ),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("bash ended\n{}", self.last_words())
                }
            };
            if let Some(failed) = line.strip_prefix(FAILED) {
                bail!("failed with code{failed}\n{}", self.last_words());
            }
            let found = is(&line);
            if line != SUCCESS {
                if self.aloud && !line.is_empty() {
                    eprintln!("{:<8} {line}", self.name);
                }
                self.said.push(line.clone());
            }
            if found {
                return Ok(line);
            }
        }
    }

    fn last_words(&self) -> String {
        let last = self.said.len().saturating_sub(LAST_LINES);
        self.said.get(last..).unwrap_or_default().join("\n")
    }

    /// What bash has started and not seen end; Linux tells in /proc.
    fn children(&self) -> Vec<i32> {
        let pid = self.bash.id();
        let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let list = list.unwrap_or_default();
        list.split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // After a failure only: bash waits for what it started, so these are still its own.
        for pid in self.children() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.input.take();
        let _ = self.bash.kill();
        let _ = self.bash.wait();
    }
}

/// What the walk's servers print when a client may come: an object with `listening`.
fn says_ready(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|said| said["listening"].is_string())
}

fn read_lines(from: Option<impl Read + Send + 'static>, to: Sender<String>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { break };
            if to.send(line).is_err() {
                break;
            }
        }
    });
}

/// The first failure ends the session, and names the command.
const STRICT: &str = "set -eo pipefail; trap 'printf \"\\n@walk-failed %s: %s\\n\" $? \"${BASH_COMMAND//$'\"'\\n'\"'/ }\"' ERR";
const FAILED: &str = "@walk-failed";
const DONE: &str = "@walk-done";
const SUCCESS: &str = "@walk-done 0";
/// A step is quick; a machine may not be.
const PATIENCE: Duration = Duration::from_secs(120);
const LAST_LINES: usize = 20;

#[cfg(test)]
mod tests;
