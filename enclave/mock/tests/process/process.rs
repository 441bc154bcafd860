//! One running mock, ended when dropped.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use sealsum_attestation::{AppraisalPolicy, PolicyFile};
use sealsum_protocol::UnixMillis;

use crate::wire::Wire;

pub(crate) struct Mock {
    child: Child,
    pub(crate) ready: serde_json::Value,
}

impl Mock {
    /// Starts a mock and waits until it says that it listens.
    pub(crate) fn start(listen: &str, more: &[&str]) -> Self {
        let mut child = command(listen, more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Ok(ready) = serde_json::from_str(&line) else {
            let mut said = String::new();
            child.stderr.unwrap().read_to_string(&mut said).unwrap();
            panic!("it printed {line:?} and said {said}");
        };
        Self { child, ready }
    }

    /// On a TCP port of the system's choice.
    pub(crate) fn on_tcp(more: &[&str]) -> Self {
        Self::start("tcp:127.0.0.1:0", more)
    }

    pub(crate) fn listening(&self) -> &str {
        self.ready["listening"].as_str().unwrap()
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.listening())
    }

    /// Ends it as an operator would with a signal that can't be caught; gives what
    /// it said on stderr.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // It may have been ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a mock that is expected not to start.
pub(crate) fn fails(listen: &str, more: &[&str]) -> Output {
    command(listen, more).output().unwrap()
}

fn command(listen: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealsum-mock-enclave"));
    command.args(["--listen", listen]).args(more);
    command
}

/// A folder with the policy that a mock is to write.
pub(crate) struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The policy in the file of this name, as a relying party reads it.
    pub(crate) fn policy(&self, name: &str) -> AppraisalPolicy {
        let file = PolicyFile::parse(&read(&self.path(name))).unwrap();
        let root = self.path(file.root_path().unwrap());
        file.into_policy(Some(&read(&root))).unwrap()
    }
}

/// The time by which a relying party judges.
pub(crate) fn now() -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(u64::try_from(now.as_millis()).unwrap())
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
