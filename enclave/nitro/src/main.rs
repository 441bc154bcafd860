//! `sealsum-enclave`: the core over the Nitro Security Module and vsock.
//!
//! Decides where it listens and when it gives up, and nothing else. It trusts the
//! device that it runs on; the parent on the other side of the vsock is hostile.
//! It reads no file but the device, keeps nothing, and logs nothing about rounds.
//! It takes no signals, since nobody is there to send one: the parent ends its rounds
//! before the host terminates the enclave, and what is open then is lost.
//!
//! Started by the kernel it is the image's whole userland (`init.rs`); started by AWS's
//! init it finds that done. What it needs of its surroundings is checked before it
//! serves, and the first thing that is missing ends it: `failure.rs` has the exit codes.

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
mod constants;
mod crew;
mod device;
mod entropy;
mod failure;
mod host;
mod init;
mod memory;
mod serve;

use std::fmt;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::panic;
use std::process::ExitCode;
use std::thread;

use sealsum_enclave_core::Enclave;
use vsock::{VMADDR_CID_ANY, VsockListener};

use crate::arguments::Request;
use crate::clock::BootClock;
use crate::device::Device;
use crate::failure::{BROKEN_INVARIANT, Failure};

fn main() -> ExitCode {
    let is_init = init::is_first_process();
    report_panics(is_init);
    match run(is_init) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(format_args!(
                "{failure} (exit code {})",
                failure.exit_code()
            ));
            if let Some(line) = failure.last_status() {
                host::send_last_status(&line);
            }
            if is_init {
                init::end_machine();
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(is_init: bool) -> Result<(), Failure> {
    let request = if is_init {
        Request::Serve {
            port: arguments::PORT,
        }
    } else {
        arguments::read(std::env::args().skip(1))?
    };
    match request {
        Request::Serve { port } => serve(port, is_init),
        Request::Constants { port } => {
            print_constants(port);
            Ok(())
        }
        Request::Help => {
            println!("{}", arguments::HELP);
            Ok(())
        }
        Request::Version => {
            println!("sealsum-enclave {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}

/// Checks everything, then serves.
fn serve(port: u32, is_init: bool) -> Result<(), Failure> {
    if is_init {
        init::prepare()?;
    }
    let mut device = Device::open()?;
    entropy::prepare(&mut device)?;
    let ceiling = memory::ceiling()?;
    let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)
        .and_then(|listener| crew::limit_queue(&listener).map(|()| listener))
        .map_err(|source| Failure::Listen { port, source })?;
    // Last, since it can be done once in an enclave's life.
    let digest = constants::digest(&constants::text(port));
    let expected = constants::register(&digest);
    device.extend_and_lock(constants::REGISTER, &digest, &expected)?;
    // A kernel that does not say has one processor, as far as we know.
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let enclave = Enclave::new(device, BootClock::start(), ceiling).with_threads(threads);
    let (ready, chore): (fn(), fn()) = if is_init {
        (host::send_heartbeat, init::bury_orphans)
    } else {
        (|| (), || ())
    };
    crew::serve(listener, enclave, ready, chore).map_err(Failure::Threads)
}

fn print_constants(port: u32) {
    let text = constants::text(port);
    print!("{text}");
    let register = constants::register(&constants::digest(&text));
    let digits = register.iter().map(|byte| format!("{byte:02x}"));
    println!("PCR{} {}", constants::REGISTER, digits.collect::<String>());
}

/// To the console, if there is one: a console that takes nothing must not be in the way of
/// what follows.
fn tell(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "sealsum-enclave: {what}");
}

/// A panic's message may hold values, so it is told by its place alone; the process
/// aborts after that.
fn report_panics(is_init: bool) {
    panic::set_hook(Box::new(move |panicked| {
        let place = panicked.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("an unknown place");
        tell(format_args!("broken invariant at {place}"));
        host::send_last_status(&failure::status_line(BROKEN_INVARIANT, "broken-invariant"));
        if is_init {
            init::end_machine();
        }
    }));
}
