//! `sealsum-parent`: reads its flags, starts a [`Parent`], says where it listens, and
//! ends in an orderly way when asked to.
//!
//! Exit codes: 0 ended as asked, 1 a failure of its own, 2 what it was given can't be used
//! (flags, an address, the data folder). An enclave that is down is no reason not to start.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use sealsum_parent::{Config, EnclaveAddress, Limits, OnShutdown, Parent, StartError};
use sealsum_protocol::OperatorKey;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The untrusted host of a Sealsum enclave: admits uploads, stores, relays, publishes.
#[derive(Parser)]
#[command(version, after_help = EXAMPLE)]
struct Flags {
    /// Where to listen for HTTP; port 0 takes a free one.
    #[arg(long, env = "SEALSUM_LISTEN", default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
    /// Where to listen for the operator, who opens, closes and aborts rounds. Without it
    /// that is at --listen too, which then has to be a loopback address.
    #[arg(long, env = "SEALSUM_OPERATOR_LISTEN", value_name = "ADDRESS")]
    operator_listen: Option<SocketAddr>,
    /// An operator whose rounds to open, by its public key; may be given again. Without
    /// any, rounds of every operator are opened.
    #[arg(
        long,
        env = "SEALSUM_OPERATOR_KEY",
        value_name = "HEX",
        value_delimiter = ','
    )]
    operator_key: Vec<OperatorKey>,
    /// Where the enclave is: vsock:CID:PORT, tcp:HOST:PORT, unix:PATH or hybrid:PATH:PORT.
    #[arg(long, env = "SEALSUM_ENCLAVE")]
    enclave: EnclaveAddress,
    /// The folder to keep rounds in; made if it is not there.
    #[arg(long, env = "SEALSUM_DATA")]
    data: PathBuf,
    /// Largest masked update to take, in MiB.
    #[arg(long, env = "SEALSUM_MAX_UPDATE_MIB")]
    max_update_mib: Option<u64>,
    /// On SIGTERM or SIGINT, abort the rounds that collect and store their abort
    /// receipts, or keep them for the next start. Releases go on in either case.
    #[arg(long, env = "SEALSUM_ON_SHUTDOWN", value_enum, default_value_t)]
    on_shutdown: OnShutdown,
    /// An enclave that has not answered for this long is given up, in seconds: its
    /// rounds are lost.
    #[arg(long, env = "SEALSUM_LOST_AFTER_S", value_name = "N")]
    lost_after_s: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        // Its text names its cause already.
        Err(error) if error.is::<StartError>() => {
            eprintln!("sealsum-parent: {error}");
            ExitCode::from(UNUSABLE)
        }
        Err(error) => {
            eprintln!("sealsum-parent: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let (mut terminated, mut interrupted) = (
        signal(SignalKind::terminate()).context("can't wait for SIGTERM")?,
        signal(SignalKind::interrupt()).context("can't wait for SIGINT")?,
    );

    let mut limits = Limits::default();
    if let Some(mib) = flags.max_update_mib {
        limits.masked_update = mib.saturating_mul(1 << 20);
    }
    if let Some(seconds) = flags.lost_after_s {
        limits.lost_after = Duration::from_secs(seconds);
    }
    let parent = Parent::start(Config {
        listen: flags.listen,
        operator_listen: flags.operator_listen,
        operators: flags.operator_key,
        enclave: flags.enclave,
        data: flags.data,
        limits,
        on_shutdown: flags.on_shutdown,
    })
    .await?;
    let ready = serde_json::json!({
        "listening": format!("http://{}", parent.address()),
        "operator": format!("http://{}", parent.operator_address()),
    });
    // Whoever started us may not read this; that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{ready}");

    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("ending; a second signal ends at once");
    tokio::select! {
        () = parent.shutdown() => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}

const FAILED: u8 = 1;
/// As clap's own exit code for flags that it can't take.
const UNUSABLE: u8 = 2;
const EXAMPLE: &str = "\
Example:
  sealsum-parent --enclave tcp:127.0.0.1:5005 --data parent-data

When it listens, it prints one line of JSON to stdout: {\"listening\",\"operator\"}.
It starts whether or not the enclave answers, and says so to whoever asks.
Exit codes: 0 ended as asked, 1 failed, 2 an address, folder or flag can't be used.";
