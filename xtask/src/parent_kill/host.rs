//! The two programs under test: the parent, which is killed and started again at one address on
//! one folder, and now and then the enclave behind it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sealsum_protocol::RoundId;

use super::link::Link;
use crate::demo::programs::Programs;
use crate::http::Message;
use crate::server::Server;

/// Parent and enclave.
pub(crate) struct Host {
    programs: Programs,
    folder: PathBuf,
    /// Where the parent listens, whenever it runs.
    pub(crate) address: SocketAddr,
    pub(crate) link: Link,
    parent: Mutex<Option<Server>>,
    enclave: Mutex<Option<Server>>,
    /// Enclaves that were killed. A round that was open then is lost, and rightly.
    era: AtomicU64,
    /// While the parent holds what nobody gives again, for this round, no kill comes.
    spared: Mutex<Option<RoundId>>,
    restarts: Mutex<Vec<Duration>>,
}

impl Host {
    /// Starts both.
    pub(crate) fn start(programs: Programs, folder: &Path) -> Result<Self> {
        let host = Self {
            programs,
            folder: folder.to_owned(),
            address: free_address()?,
            link: Link::start()?,
            parent: Mutex::default(),
            enclave: Mutex::default(),
            era: AtomicU64::new(0),
            spared: Mutex::default(),
            restarts: Mutex::default(),
        };
        host.start_enclave()?;
        host.start_parent()?;
        Ok(host)
    }

    /// The enclaves that were killed so far.
    pub(crate) fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// Puts kills off for a round.
    pub(crate) fn spare_for(&self, round: RoundId) {
        *hold(&self.spared) = Some(round);
    }

    /// The round is safe again.
    pub(crate) fn spare_no_more_for(&self, round: RoundId) {
        let mut spared = hold(&self.spared);
        if *spared == Some(round) {
            *spared = None;
        }
    }

    /// Kills the parent; true if one ran.
    pub(crate) fn kill_parent(&self) -> bool {
        let begun = Instant::now();
        while hold(&self.spared).is_some() && begun.elapsed() < SPARED_AT_MOST {
            std::thread::sleep(Duration::from_millis(1));
        }
        *hold(&self.spared) = None;
        // Dropped, it is killed and waited for.
        hold(&self.parent).take().is_some()
    }

    /// Kills the enclave and has another take its place.
    pub(crate) fn replace_enclave(&self) -> Result<()> {
        drop(hold(&self.enclave).take());
        // Not before its end: whoever reads the new one opens no round in the old.
        self.era.fetch_add(1, Ordering::AcqRel);
        self.link.cut();
        self.start_enclave()
    }

    fn start_enclave(&self) -> Result<()> {
        let mut mock = Command::new(self.programs.path("sealsum-mock-enclave"));
        mock.args(["--listen", "tcp:127.0.0.1:0", "--state"])
            .arg(self.folder.join("enclave"));
        let (enclave, said) = Server::start(mock, &self.folder.join("enclave.log"))?;
        let address = said["listening"].as_str().unwrap_or_default();
        let address = address.strip_prefix("tcp:").unwrap_or(address).parse();
        self.link.lead_to(address.context("the enclave's address")?);
        *hold(&self.enclave) = Some(enclave);
        Ok(())
    }

    /// Starts the parent, waits until it answers, and takes the time that it needed.
    pub(crate) fn start_parent(&self) -> Result<()> {
        let began = Instant::now();
        let log = self.folder.join("parent.log");
        let (parent, _) = Server::start(self.parent_command(), &log)?;
        *hold(&self.parent) = Some(parent);
        while self.ask("GET", "/v1/rounds", Vec::new()).is_err() {
            if began.elapsed() > START_PATIENCE {
                bail!("the parent did not answer within {START_PATIENCE:?} of its start");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        hold(&self.restarts).push(began.elapsed());
        Ok(())
    }

    /// Starts the parent and waits for nothing.
    pub(crate) fn begin_parent(&self) -> Result<()> {
        let log = self.folder.join("parent.log");
        *hold(&self.parent) = Some(Server::launch(self.parent_command(), &log)?);
        Ok(())
    }

    fn parent_command(&self) -> Command {
        let mut parent = Command::new(self.programs.path("sealsum-parent"));
        parent
            .args(["--listen", &self.address.to_string(), "--enclave"])
            .arg(format!("tcp:{}", self.link.address))
            .arg("--data")
            .arg(self.folder.join("parent"));
        parent
    }

    /// One request and its answer: status and body. An error if the parent is gone.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>)> {
        let answer = Message::request(self.address, method, path, body).send(self.address)?;
        Ok((answer.status(), answer.body))
    }

    /// Milliseconds within which 99 of 100 starts answered; how many starts there were.
    pub(crate) fn restart_ms_p99(&self) -> (f64, usize) {
        let mut restarts = hold(&self.restarts).clone();
        restarts.sort_unstable();
        let place = (restarts.len() * 99).div_ceil(100).saturating_sub(1);
        let longest = restarts.get(place).copied().unwrap_or_default();
        (longest.as_secs_f64() * 1000.0, restarts.len())
    }

    /// The middle one of all starts so far.
    pub(crate) fn usual_start(&self) -> Duration {
        let mut restarts = hold(&self.restarts).clone();
        restarts.sort_unstable();
        restarts
            .get(restarts.len() / 2)
            .copied()
            .unwrap_or_default()
    }
}

/// A panic elsewhere ends the test anyway.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An address that stays free while nobody listens there: below the ports that the system gives
/// to those who connect, or a client that tries again and again would end up connected to itself.
fn free_address() -> Result<SocketAddr> {
    let first = 20_000 + std::process::id() % 8_000;
    for port in first..first + 200 {
        let address = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port)?));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port in {first}..{}", first + 200)
}

const START_PATIENCE: Duration = Duration::from_secs(30);
/// For one block to be stored.
const SPARED_AT_MOST: Duration = Duration::from_secs(2);
