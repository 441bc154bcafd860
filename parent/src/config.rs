//! What a parent is started with. Limits that clients and enclave meet are here, each
//! with the reason for its number.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sealsum_protocol::OperatorKey;

use crate::address::EnclaveAddress;
use crate::enclave_link::Patience;
use crate::round::Gathering;

/// A parent's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen for HTTP; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to listen for the operator: opening, closing and aborting rounds. `None`
    /// is at `listen` too, which then has to be a loopback address.
    pub operator_listen: Option<SocketAddr>,
    /// The operators whose parameters open rounds here; empty is any.
    pub operators: Vec<OperatorKey>,
    /// Where the enclave is.
    pub enclave: EnclaveAddress,
    /// The folder that rounds are kept in.
    pub data: PathBuf,
    /// Limits.
    pub limits: Limits,
    /// What becomes of rounds that collect when the parent is asked to end.
    pub on_shutdown: OnShutdown,
}

/// What a parent that is asked to end does with the rounds that collect. One that is
/// releasing goes on in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
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
    /// Connections at a time.
    pub connections: usize,
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
    /// Between two looks at the rounds in progress.
    pub watch: Duration,
    /// For an enclave that does not answer, before its rounds are lost.
    pub lost_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A model of 2^31 elements at 32 bits.
            masked_update: 8 << 30,
            connections: 1024,
            head: Duration::from_secs(10),
            body_piece: Duration::from_secs(30),
            shutdown: Duration::from_secs(20),
            // An attestation takes a security module milliseconds; nobody notices these.
            gathering: Gathering {
                alone: Duration::from_millis(5),
                interval: Duration::from_millis(100),
            },
            enclave: Patience {
                turn: Duration::from_secs(60),
                connect: Duration::from_secs(5),
                reply: Duration::from_secs(30),
            },
            // Well within the time that an enclave gives before it ends.
            watch: Duration::from_secs(2),
            // An enclave erases what is not released within an hour of its close.
            lost_after: Duration::from_secs(60 * 60),
        }
    }
}
