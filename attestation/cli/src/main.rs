//! `sealsum-attest`: the auditor's command line.
//!
//! It decides nothing about evidence: arguments in, the library's verdict out. Exit codes: 0 appraised,
//! or done; 1 rejected; 2 usage or configuration, so that no verdict was reached.

mod commands;
mod document;
mod failure;
mod file;
mod key_file;
mod output;
mod policy_file;
mod time;

use std::process::ExitCode;

use clap::Parser as _;

use commands::Cli;
use failure::Failure;

fn main() -> ExitCode {
    // Known before the arguments are understood, so that a usage error is JSON as well.
    let json = std::env::args_os().any(|argument| argument == "--json");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if json && error.use_stderr() => {
            return output::fail(&Failure::usage(&error.render().to_string().trim()), true);
        }
        Err(error) => error.exit(),
    };
    match cli.run() {
        Ok(report) => output::print(&report, json),
        Err(failure) => output::fail(&failure, json),
    }
}
