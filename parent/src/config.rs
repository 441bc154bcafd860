//! What a parent is started with. Limits that clients and enclave meet are here, each
//! with the reason for its number.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sealsum_protocol::OperatorKey;
use serde::{Deserialize, Serialize};

use crate::access::Rates;
use crate::address::EnclaveAddress;
use crate::enclave_link::Patience;
use crate::round::Gathering;
use crate::settings::SettingsError;
use crate::storage::StorageSettings;

/// A parent's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients and auditors are served.
    pub clients: Listener,
    /// Where the operator is served: opening, closing and aborting rounds, and metrics. `None`
    /// is at the clients' address too, which then has to be a loopback address.
    pub operator: Option<Listener>,
    /// The operators whose parameters open rounds here; empty is any.
    pub operators: Vec<OperatorKey>,
    /// Where the enclave is.
    pub enclave: EnclaveAddress,
    /// Where rounds are kept.
    pub storage: StorageSettings,
    /// Limits.
    pub limits: Limits,
    /// What becomes of rounds that collect when the parent is asked to end.
    pub on_shutdown: OnShutdown,
}

impl Config {
    /// Files that may be open at a time: each connection takes a descriptor, and an upload a second one.
    #[must_use]
    pub fn open_files(&self) -> u64 {
        let listeners = 1 + u64::from(self.operator.is_some());
        let connections = self.limits.connections as u64;
        (listeners * connections * 2).saturating_add(OTHER_FILES)
    }

    /// Errs if strangers would be let in where only the operator should be.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if let Some(operator) = &self.operator
            && operator.address == self.clients.address
            && operator.address.port() != 0
        {
            return Err(SettingsError::OneAddress(operator.address));
        }
        let Some(operator) = &self.operator else {
            let shared = self.clients.address;
            return if shared.ip().is_loopback() {
                Ok(())
            } else {
                Err(SettingsError::OperatorExposed(shared))
            };
        };
        if operator.address.ip().is_loopback() {
            return Ok(());
        }
        let certified = |tls: &TlsFiles| tls.client_authority.is_some();
        if operator.tokens.is_none() && !operator.tls.as_ref().is_some_and(certified) {
            return Err(SettingsError::OperatorOpen(operator.address));
        }
        if operator.tls.is_none() && !operator.plaintext {
            return Err(SettingsError::OperatorPlaintext(operator.address));
        }
        Ok(())
    }
}

/// An address to listen on, and who is let in there.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// TLS 1.3, if it is not somebody else's in front.
    pub tls: Option<TlsFiles>,
    /// A file of bearer tokens' digests; without it nobody needs a token.
    pub tokens: Option<PathBuf>,
    /// Whether tokens may cross the network without TLS.
    pub plaintext: bool,
}

impl Listener {
    /// HTTP for everyone who reaches the address.
    #[must_use]
    pub const fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            tokens: None,
            plaintext: true,
        }
    }
}

/// PEM files for TLS, read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// Whoever connects has to show a certificate of one of these authorities.
    pub client_authority: Option<PathBuf>,
}

/// What a parent that is asked to end does with the rounds that collect. One that is
/// releasing goes on in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnShutdown {
    /// Abort them and store the abort receipts: nobody's contribution hangs in the air.
    #[default]
    Abort,
    /// Leave them to the next start, for a restart in passing.
    Keep,
}

/// Limits on what strangers may make the parent hold or wait for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest masked update, in bytes; a round with larger ones is not opened.
    pub masked_update: u64,
    /// Connections at a time, at each listener.
    pub connections: usize,
    /// Of these, for one address (IPv6: one /64).
    pub connections_per_address: usize,
    /// Requests a second.
    pub rates: Rates,
    /// For a request's head to arrive.
    pub head: Duration,
    /// For the next piece of a body to arrive.
    pub body_piece: Duration,
    /// For requests and work under way to end, at shutdown.
    pub shutdown: Duration,
    /// For nonces that are to share an attestation.
    pub gathering: Gathering,
    /// For the enclave.
    pub enclave: Patience,
    /// Between two looks at certificates, keys and tokens, which are read again when they change.
    pub reload: Duration,
    /// Between two looks at what is to open or close by itself.
    pub schedule: Duration,
    /// Between two looks at the rounds in progress.
    pub watch: Duration,
    /// For an enclave that does not answer, before its rounds are lost.
    pub lost_after: Duration,
    /// For rounds that are over, before they are removed; never if not set.
    pub keep: Option<Duration>,
    /// Between two looks for rounds to remove.
    pub removal: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A model of 2^31 elements at 32 bits.
            masked_update: 8 << 30,
            connections: 1024,
            // A hospital's clients share an address; one of them can't keep all others out.
            connections_per_address: 512,
            rates: Rates::default(),
            head: Duration::from_secs(10),
            body_piece: Duration::from_secs(30),
            shutdown: Duration::from_secs(20),
            // An attestation takes a security module milliseconds; nobody notices these. The interval
            // counts where it takes more than 25.
            gathering: Gathering {
                alone: Duration::from_millis(5),
                interval: Duration::from_millis(100),
            },
            enclave: Patience {
                turn: Duration::from_secs(60),
                connect: Duration::from_secs(5),
                reply: Duration::from_secs(30),
            },
            reload: Duration::from_secs(5),
            schedule: Duration::from_millis(200),
            // Well within the time that an enclave gives before it ends.
            watch: Duration::from_secs(2),
            // An enclave erases what is not released within an hour of its close.
            lost_after: Duration::from_secs(60 * 60),
            keep: None,
            removal: Duration::from_secs(60),
        }
    }
}

/// Of the storage, the enclave's link and the log.
const OTHER_FILES: u64 = 256;
