//! The subcommands. Each has its own file: its arguments, its call of the library, its report.

mod completions;
mod endorse;
mod inspect;
mod man;
mod measure;
mod policy;
mod publisher;
mod verify;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::output::Report;

/// Judge what AWS Nitro enclaves say of themselves.
///
/// Exit codes: 0 appraised, or done; 1 rejected; 2 usage or configuration, no verdict was reached.
#[derive(Parser)]
#[command(name = "sealsum-attest", version, arg_required_else_help = true, after_help = EXAMPLE)]
pub(crate) struct Cli {
    /// Print exactly one JSON object on stdout
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge an attestation document by a policy, point by point
    Verify(verify::Args),
    /// Show all that a document says, without believing any of it
    Inspect(inspect::Args),
    /// Compute what an enclave image measures to
    Measure(measure::Args),
    /// Write or check what is accepted
    #[command(subcommand)]
    Policy(policy::Command),
    /// Vouch for an image with a publisher's key
    Endorse(endorse::Args),
    /// Make or show a publisher's key
    #[command(subcommand)]
    Publisher(publisher::Command),
    /// Write a completion script for a shell
    Completions(completions::Args),
    /// Write the manual pages
    Man(man::Args),
}

impl Cli {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        match self.command {
            Command::Verify(args) => args.run(),
            Command::Inspect(args) => args.run(),
            Command::Measure(args) => args.run(),
            Command::Policy(command) => command.run(),
            Command::Endorse(args) => args.run(),
            Command::Publisher(command) => command.run(),
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
        }
    }
}

const EXAMPLE: &str = "Examples:
  sealsum-attest inspect document.cbor
  sealsum-attest policy new --from image.eif --out policy.toml
  sealsum-attest verify document.cbor --policy policy.toml --at 2026-01-03T20:41:10Z";
