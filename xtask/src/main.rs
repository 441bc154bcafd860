//! The project's chores, as `cargo xtask COMMAND`; `cargo demo` is `cargo xtask demo`.
//!
//! Nothing here ships: it builds, drives and checks what does.

mod check;
mod demo;
mod vectors;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::GenVectors => vectors::write().map(|()| true),
        Command::Check(options) => check::run(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Sealsum's chores.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a classifier over several federated rounds, with attacks on the way.
    Demo(demo::Options),
    /// Write vectors/ afresh; changes nothing unless the protocol changed.
    GenVectors,
    /// Check dependencies, the enclave's trusted base, sources and the invariants' table.
    Check(check::Options),
}
