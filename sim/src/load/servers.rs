//! The programs under load, as processes of their own, and what they take: memory and time.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Mock enclave and parent.
pub(crate) struct Servers {
    pub(crate) address: SocketAddr,
    pub(crate) parent: Process,
    pub(crate) enclave: Process,
}

/// A process; killed when dropped.
pub(crate) struct Process(Child);

impl Servers {
    /// Starts them from `programs`, with their files below `folder`.
    pub(crate) fn start(programs: &Path, folder: &Path) -> Result<Self, String> {
        let mut mock = Command::new(programs.join("sealsum-mock-enclave"));
        mock.args(["--listen", "tcp:127.0.0.1:0"]);
        let (enclave, said) = Process::start(mock, &folder.join("enclave.log"))?;
        let settings = folder.join("parent.toml");
        std::fs::write(&settings, SETTINGS).map_err(|error| error.to_string())?;
        let mut parent = Command::new(programs.join("sealsum-parent"));
        parent
            .args(["--listen", "127.0.0.1:0", "--enclave"])
            .arg(said["listening"].as_str().unwrap_or_default())
            .arg("--config")
            .arg(settings)
            .arg("--data")
            .arg(folder.join("parent"))
            // A line for each contribution is the operator's choice, and no part of this.
            .env("RUST_LOG", "warn");
        let (parent, said) = Process::start(parent, &folder.join("parent.log"))?;
        let url = said["listening"].as_str().unwrap_or_default();
        let address = url.strip_prefix("http://").unwrap_or(url);
        Ok(Self {
            address: address
                .parse()
                .map_err(|_| format!("no address: {url:?}"))?,
            parent,
            enclave,
        })
    }
}

impl Process {
    fn start(mut command: Command, log: &Path) -> Result<(Self, Value), String> {
        let log = File::create(log).map_err(|error| error.to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{command:?} did not start: {error}"))?;
        let mut process = Self(child);
        let mut line = String::new();
        if let Some(stdout) = process.0.stdout.take() {
            let read = BufReader::new(stdout).read_line(&mut line);
            read.map_err(|error| error.to_string())?;
        }
        let said = serde_json::from_str(&line)
            .map_err(|_| format!("{command:?} did not become ready: {line:?}"))?;
        Ok((process, said))
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    /// Time on processors so far, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&format!("/proc/{}/stat", self.0.id()))
    }
}

/// The same of this process.
pub(crate) fn own_cpu_seconds() -> f64 {
    cpu_seconds("/proc/self/stat")
}

fn cpu_seconds(file: &str) -> f64 {
    let stat = std::fs::read_to_string(file).unwrap_or_default();
    // The name may have anything in it but ends with the last parenthesis; proc(5).
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All clients come from one address here.
const SETTINGS: &str = "[limits]\nconnections = 8192\nconnections_per_address = 8192\n";
/// A second has a hundred on every Linux that this runs on.
const TICKS: f64 = 100.0;
