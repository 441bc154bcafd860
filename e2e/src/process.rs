//! Enclave and parent as processes: started, waited for, killed on drop.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program;

/// A mock enclave.
pub struct Enclave {
    child: Child,
    /// Where it listens, as `tcp:HOST:PORT`.
    pub address: String,
    /// The appraisal policy that it wrote.
    pub policy: PathBuf,
}

/// A parent.
pub struct Parent {
    child: Child,
    /// Its URL.
    pub url: String,
    /// Its URL for the operator.
    pub operator_url: String,
    /// Its data folder.
    pub data: PathBuf,
}

impl Enclave {
    /// Starts one that keeps its root key in `folder` and logs to `folder/enclave.log`.
    #[must_use]
    pub fn start(folder: &Path, flags: &[&str]) -> Self {
        Self::start_at(folder, "tcp:127.0.0.1:0", flags)
    }

    /// Starts one that logs all that it can.
    #[must_use]
    pub fn start_talkative(folder: &Path) -> Self {
        Self::spawn(folder, "tcp:127.0.0.1:0", &[], TALKATIVE)
    }

    /// Starts one at a given address.
    #[must_use]
    pub fn start_at(folder: &Path, address: &str, flags: &[&str]) -> Self {
        Self::spawn(folder, address, flags, USUAL)
    }

    fn spawn(folder: &Path, address: &str, flags: &[&str], level: &str) -> Self {
        let policy = folder.join("appraisal.toml");
        let mut command = Command::new(program("sealsum-mock-enclave"));
        command
            .args(["--listen", address, "--state"])
            .arg(folder.join("enclave"))
            .arg("--write-policy")
            .arg(&policy)
            .args(flags)
            .env("RUST_LOG", level);
        let (child, ready) = start(command, &folder.join("enclave.log"));
        Self {
            child,
            address: ready["listening"].as_str().unwrap().to_owned(),
            policy,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it ever had resident, in bytes.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Kills it: its open rounds are lost.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Asks it to end, as its operator does.
    pub fn terminate(&self) {
        terminate(&self.child);
    }

    /// Waits until it ends by itself; gives its exit code, none if a signal ended it.
    #[must_use]
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Whether it still runs.
    #[must_use]
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Parent {
    /// Starts one for an enclave, with its data in `folder/parent` and its log in `folder/parent.log`.
    #[must_use]
    pub fn start(folder: &Path, enclave: &str) -> Self {
        Self::start_with(folder, enclave, &[])
    }

    /// Starts one that logs all that it can.
    #[must_use]
    pub fn start_talkative(folder: &Path, enclave: &str) -> Self {
        Self::spawn(folder, enclave, &[], TALKATIVE)
    }

    /// Starts one with flags.
    #[must_use]
    pub fn start_with(folder: &Path, enclave: &str, flags: &[&str]) -> Self {
        Self::spawn(folder, enclave, flags, USUAL)
    }

    /// Starts one below another program, which is to become it: a shell that changes what the
    /// parent finds, and then runs `exec "$@"`.
    #[must_use]
    pub fn start_below(
        mut program_before: Command,
        folder: &Path,
        enclave: &str,
        flags: &[&str],
    ) -> Self {
        program_before.arg(program("sealsum-parent"));
        Self::run(program_before, folder, enclave, flags, USUAL)
    }

    /// Starts one whose storage is set by these variables; it has no data folder.
    #[must_use]
    pub fn start_on(folder: &Path, enclave: &str, storage: &[(&str, String)]) -> Self {
        Self::start_on_at("127.0.0.1:0", folder, enclave, storage)
    }

    /// The same, at an address that other parents are told.
    #[must_use]
    pub fn start_on_at(
        listen: &str,
        folder: &Path,
        enclave: &str,
        storage: &[(&str, String)],
    ) -> Self {
        let mut command = Command::new(program("sealsum-parent"));
        command
            .args(["--listen", listen, "--enclave", enclave])
            .env("RUST_LOG", USUAL);
        for (key, value) in storage {
            command.env(format!("SEALSUM__STORAGE__{}", key.to_uppercase()), value);
        }
        let (child, ready) = start(command, &folder.join("parent.log"));
        Self {
            child,
            url: ready["listening"].as_str().unwrap().to_owned(),
            operator_url: ready["operator"].as_str().unwrap().to_owned(),
            data: folder.join("parent"),
        }
    }

    fn spawn(folder: &Path, enclave: &str, flags: &[&str], level: &str) -> Self {
        Self::run(
            Command::new(program("sealsum-parent")),
            folder,
            enclave,
            flags,
            level,
        )
    }

    fn run(
        mut command: Command,
        folder: &Path,
        enclave: &str,
        flags: &[&str],
        level: &str,
    ) -> Self {
        let data = folder.join("parent");
        command
            .args(["--listen", "127.0.0.1:0", "--enclave", enclave, "--data"])
            .arg(&data)
            .args(flags)
            .env("RUST_LOG", level);
        let (child, ready) = start(command, &folder.join("parent.log"));
        Self {
            child,
            url: ready["listening"].as_str().unwrap().to_owned(),
            operator_url: ready["operator"].as_str().unwrap().to_owned(),
            data,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Asks it to end, as its operator does, and waits; gives its exit code, none if a
    /// signal ended it.
    #[must_use]
    pub fn terminate(&mut self) -> Option<i32> {
        terminate(&self.child);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Enclave {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn start(mut command: Command, log: &Path) -> (Child, serde_json::Value) {
    let log = File::options().create(true).append(true).open(log).unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let ready = serde_json::from_str(&ready)
        .unwrap_or_else(|_| panic!("{command:?} did not become ready: {ready:?}"));
    (child, ready)
}

fn terminate(child: &Child) {
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

const USUAL: &str = "info";
const TALKATIVE: &str = "trace";
