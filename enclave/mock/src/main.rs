//! `sealsum-mock-enclave`: the enclave's core over a software security module.
//!
//! Decides nothing that the production enclave would decide otherwise: rounds, keys
//! and sums are `sealsum-enclave-core`'s, line for line. What it lacks is the
//! isolation: whoever can read this process reads every update. So it says MOCK
//! where it starts, its certificates say so, and only a policy that asks for a mock
//! accepts its evidence.
//!
//! Its only memory is the root's key, if a state folder is given. SIGTERM and SIGINT
//! abort the rounds that collect and leave the parent a while to fetch the abort
//! receipts; whatever is open after that, or when it is killed, is lost.
//!
//! Exit codes: 0 ended as asked, 1 a failure of its own, 2 what it was given can't be used
//! (flags, an address, the root's key file, the policy's path).

mod address;
mod arguments;
mod clock;
mod crew;
mod nsm;
mod policy;
mod serve;
mod shared;
mod signals;

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context as _;
use clap::Parser as _;
use sealsum_enclave_core::Enclave;
use sealsum_softnsm::{
    Measurement, RootAuthority, RootError, SoftNsm, SoftNsmConfig, measure_executable,
};

use crate::address::BindError;
use crate::arguments::Arguments;
use crate::clock::ProcessClock;
use crate::nsm::MockNsm;
use crate::policy::PolicyWriteError;
use crate::signals::Signals;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Its text names its cause already.
        Err(error) if is_given(&error) => {
            eprintln!("sealsum-mock-enclave: {error}");
            ExitCode::from(UNUSABLE)
        }
        Err(error) => {
            eprintln!("sealsum-mock-enclave: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Whether what it was given is at fault.
fn is_given(error: &anyhow::Error) -> bool {
    let root = |error: &RootError| !matches!(error, RootError::Issue(_));
    error.is::<BindError>()
        || error.is::<PolicyWriteError>()
        || error.downcast_ref().is_some_and(root)
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    eprintln!("{BANNER}");
    let signals = Signals::hold_back().context("signals can't be waited for")?;
    let listener = arguments.listen.bind()?;
    let root = root(arguments)?;
    let measured = measure_executable(std::env::current_exe()?)?;
    if let Some(path) = &arguments.write_policy {
        policy::write(path, &measured, &root.root_pem(), arguments.force)?;
    }
    let config = SoftNsmConfig {
        faults: arguments.faults(),
        ..SoftNsmConfig::new(measured)?
    };
    let nsm = MockNsm(SoftNsm::new(&root, config).context("the software NSM does not start")?);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let enclave =
        Enclave::new(nsm, ProcessClock::start(), arguments.memory_ceiling()).with_threads(threads);
    say_ready(&listener.address()?, &measured)?;
    crew::serve(listener, enclave, signals, arguments.grace())
        .context("can't start the threads that serve connections")
}

fn root(arguments: &Arguments) -> anyhow::Result<RootAuthority> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("this machine's clock stands before 1970; set it")?;
    let now_ms = u64::try_from(now.as_millis())?;
    Ok(match &arguments.state {
        Some(dir) => RootAuthority::load_or_create(dir, now_ms)?,
        None => RootAuthority::generate(now_ms)?,
    })
}

/// One line on stdout: what starts this process waits for it.
fn say_ready(listening: &str, measured: &Measurement) -> anyhow::Result<()> {
    let ready = serde_json::json!({
        "listening": listening,
        "trust": "mock",
        "pcr0": hex::encode(measured.pcr0),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{ready}")
        .and_then(|()| stdout.flush())
        .context("nobody reads the line that says where this listens")
}

const BANNER: &str = "\
MOCK MOCK MOCK  sealsum-mock-enclave isolates nothing: whoever can read this process
MOCK MOCK MOCK  reads every update. For development and tests, never for real data.";
const FAILED: u8 = 1;
/// As clap's own exit code for flags that it can't take.
const UNUSABLE: u8 = 2;
