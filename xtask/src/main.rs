//! The project's chores, as `cargo xtask COMMAND`; `cargo demo` is `cargo xtask demo`.
//!
//! Nothing here ships: it builds, drives and checks what does.

mod bench;
mod check;
mod client_kill;
mod demo;
mod dev;
mod e2e_nitro;
mod emulator;
mod http;
mod image;
mod load;
mod parent_kill;
mod server;
mod soak;
mod vectors;
mod walk;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

fn main() -> ExitCode {
    let done = match Arguments::parse_from(words(std::env::args_os())).command {
        Command::Demo(options) => demo::run(&options),
        Command::Dev(command) => dev::run(&command),
        Command::GenVectors => vectors::write().map(|()| true),
        Command::Soak(options) => soak::run(&options),
        Command::ClientKillTest(options) => client_kill::run(&options),
        Command::Load(options) => load::run(&options),
        Command::KillTest(options) => parent_kill::run(&options),
        Command::Walk(options) => walk::run(&options),
        Command::Image(options) => image::run(&options),
        Command::Emulator(options) => emulator::run(&options),
        Command::E2eNitro(options) => e2e_nitro::run(&options),
        Command::Bench(options) => bench::run(&options),
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

/// `cargo demo -- --rounds 3` arrives as `demo -- --rounds 3`, since the alias has its own
/// separator; both forms mean the same.
fn words(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let separator = |(place, word): &(usize, OsString)| *place == 2 && word == "--";
    arguments
        .enumerate()
        .filter(move |argument| !separator(argument))
        .map(|(_, word)| word)
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
    /// Start or stop what a client needs to talk to: mock enclave, parent, keys, a policy.
    #[command(subcommand)]
    Dev(dev::Command),
    /// Write vectors/ afresh; changes nothing unless the protocol changed.
    GenVectors,
    /// Play random rounds under attack against a reference model.
    Soak(soak::Options),
    /// Kill clients at every moment of their work: nothing is sealed twice, nothing is lost.
    ClientKillTest(client_kill::Options),
    /// Kill the parent at every moment of its work: nothing acknowledged is lost, nothing wrong.
    KillTest(parent_kill::Options),
    /// Put thousands of clients' load on a parent, and say what it does under it.
    Load(load::Options),
    /// Type the README's three-terminal walk, word for word, and check its mean.
    Walk(walk::Options),
    /// Build the enclave's image: the same bytes from the same commit, wherever it is built.
    Image(image::Options),
    /// Build what boots enclave images without Nitro: QEMU and its vsock, once per machine.
    Emulator(emulator::Options),
    /// Boot the image in the emulator and run whole rounds through it.
    E2eNitro(e2e_nitro::Options),
    /// Measure what the fast path costs beside what limits it, and write bench/results.json.
    Bench(bench::Options),
    /// Check dependencies, the enclave's trusted base, sources and the invariants' table.
    Check(check::Options),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parsed(line: &str) -> bool {
        let words = words(line.split(' ').map(OsString::from));
        Arguments::try_parse_from(words).is_ok()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_may_stand_behind_a_separator() {
        assert!(parsed("xtask demo --rounds 3"));
        assert!(parsed(
            "xtask demo -- --rounds 3 --intake presum --kem x25519 --json"
        ));
        assert!(!parsed("xtask demo -- --no-such-option"));
    }
}
