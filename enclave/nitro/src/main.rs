//! `sealsum-enclave`: the core over the Nitro Security Module and vsock.
//!
//! Decides where it listens and when it gives up, and nothing else. It trusts the
//! device that it runs on; the parent on the other side of the vsock is hostile.
//! It reads no file but the device, keeps nothing, and logs nothing about rounds.
//! It takes no signals, since nobody is there to send one: the parent ends its rounds
//! before the host terminates the enclave, and what is open then is lost.
//!
//! Exit codes, since an enclave in production has no console:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | `--help` or `--version` was asked for |
//! | 2 | the command line is wrong |
//! | 3 | there is no security module, or it does not answer |
//! | 4 | the vsock port, or the threads that serve it, can't be had |
//! | 134 | it aborted (SIGABRT) on a broken invariant: the rounds are gone |

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(all(not(debug_assertions), not(target_feature = "crt-static")))]
compile_error!(
    "an image has no loader: build inside enclave/nitro, whose .cargo/config.toml links statically, \
     or pass --config enclave/nitro/.cargo/config.toml"
);

mod arguments;
mod clock;
mod crew;
mod device;
mod serve;

use std::io;
use std::process::ExitCode;

use sealsum_enclave_core::{Enclave, MEMORY_CEILING};
use vsock::{VMADDR_CID_ANY, VsockListener};

use crate::arguments::{Request, UsageError};
use crate::clock::BootClock;
use crate::device::{Device, DeviceError};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("sealsum-enclave: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run() -> Result<(), Failure> {
    let port = match arguments::read(std::env::args().skip(1))? {
        Request::Serve { port } => port,
        Request::Help => {
            println!("{}", arguments::HELP);
            return Ok(());
        }
        Request::Version => {
            println!("sealsum-enclave {}", env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
    };
    let device = Device::open()?;
    let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)
        .map_err(|source| Failure::Listen { port, source })?;
    let enclave = Enclave::new(device, BootClock::start(), MEMORY_CEILING);
    crew::serve(listener, enclave).map_err(Failure::Threads)
}

/// Why the enclave did not start.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(
        "can't listen on vsock port {port}: {source}; is it taken, or does the kernel lack vsock?"
    )]
    Listen { port: u32, source: io::Error },
    #[error("can't start the threads that serve connections: {0}; give the enclave more memory")]
    Threads(io::Error),
}

impl Failure {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Device(_) => 3,
            Self::Listen { .. } | Self::Threads(_) => 4,
        }
    }
}
