//! `sealsum`: the data holder's and the operator's command line.
//!
//! It decides nothing: arguments in, one call of the library, one report out. Exit codes: 0 done,
//! 1 refused or rejected, 2 usage or configuration, 3 unreachable or try again.

mod commands;
mod failure;
mod output;
mod progress;
mod rfc3339;

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
            return output::fail(&Failure::usage(error.render().to_string().trim()), true);
        }
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let report = match runtime {
        Ok(runtime) => runtime.block_on(cli.run()),
        Err(error) => Err(Failure::usage(&format!("no runtime: {error}"))),
    };
    match report {
        Ok(report) => output::print(&report, json),
        Err(failure) => output::fail(&failure, json),
    }
}
