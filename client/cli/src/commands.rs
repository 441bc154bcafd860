//! The subcommands. Each has its own file: its arguments, its one call, its report.

mod collect;
mod completions;
mod contribute;
mod delta;
mod file;
mod identity;
mod ledger;
mod man;
mod operator;
mod parent;
mod policy;
mod registry;
mod round;
mod selecting;
mod verify_receipt;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::output::Report;

/// Contribute to sums that nobody can take apart, and check what came out.
#[derive(Parser)]
#[command(name = "sealsum", version, arg_required_else_help = true, after_help = EXAMPLE)]
pub(crate) struct Cli {
    /// Print exactly one JSON object on stdout
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make or show a data holder's identity
    #[command(subcommand)]
    Identity(identity::Command),
    /// Make or show the key that signs a task's parameters
    #[command(subcommand)]
    Operator(operator::Command),
    /// Write or check what this data holder accepts
    #[command(subcommand)]
    Policy(policy::Command),
    /// Keep the keys that rounds admit, and vouch for them
    #[command(subcommand)]
    Registry(registry::Command),
    /// Open, watch and end rounds
    #[command(subcommand)]
    Round(round::Command),
    /// Subtract a base model from a trained one
    Delta(delta::Args),
    /// Seal an update for an attested enclave and upload it
    Contribute(contribute::Args),
    /// Fetch a released aggregate and verify it
    Collect(collect::Args),
    /// Verify a receipt from files alone
    VerifyReceipt(verify_receipt::Args),
    /// Show what this identity has spent, or free a round by proof
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Write a completion script for a shell
    Completions(completions::Args),
    /// Write the manual pages
    Man(man::Args),
}

impl Cli {
    pub(crate) async fn run(self) -> Result<Report, Failure> {
        match self.command {
            Command::Identity(command) => command.run(),
            Command::Operator(command) => command.run(),
            Command::Policy(command) => command.run(),
            Command::Registry(command) => command.run(),
            Command::Round(command) => command.run(self.json).await,
            Command::Delta(args) => args.run(),
            Command::Contribute(args) => args.run(self.json).await,
            Command::Collect(args) => args.run(self.json).await,
            Command::VerifyReceipt(args) => args.run(),
            Command::Ledger(command) => command.run(self.json).await,
            Command::Completions(args) => args.run(),
            Command::Man(args) => args.run(),
        }
    }
}

const EXAMPLE: &str = "Example:
  sealsum identity new clinic
  sealsum contribute --parent http://127.0.0.1:8480 --identity clinic \\
      --policy clinic.toml --task wards --base-model model.npy --update update.npy

Exit codes: 0 done, 1 refused or rejected, 2 usage or configuration, 3 unreachable or try again.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// Every line of help that begins with the program's name.
    fn examples(command: &mut clap::Command, found: &mut Vec<String>) {
        let help = command.render_long_help().to_string().replace("\\\n", "");
        let lines = help.lines().map(str::trim);
        found.extend(
            lines
                .filter(|line| line.starts_with("sealsum "))
                .map(str::to_owned),
        );
        command
            .get_subcommands_mut()
            .for_each(|sub| examples(sub, found));
    }

    #[test]
    fn the_arguments_are_well_defined() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_example_in_the_help_is_understood() {
        let mut found = Vec::new();
        examples(&mut Cli::command(), &mut found);
        assert!(found.len() >= 30, "{found:#?}");
        for example in found {
            let words = example.split_whitespace();
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{example}: {}", parsed.err().unwrap());
        }
    }

    #[test]
    fn every_command_that_does_something_has_an_example() {
        fn check(command: &mut clap::Command) {
            if command.get_subcommands().next().is_none() {
                let name = command.get_name().to_owned();
                let help = command.render_long_help().to_string();
                assert!(help.contains("\n  sealsum "), "{name}");
            }
            command
                .get_subcommands_mut()
                .filter(|sub| sub.get_name() != "help")
                .for_each(check);
        }
        check(&mut Cli::command());
    }
}
