//! `sealsum-attest completions`: a script for the shell, which completes commands and options.

use clap::{Args as ClapArgs, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use super::Cli;
use crate::failure::Failure;
use crate::output::Report;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), NAME, &mut script);
        let script = String::from_utf8(script)
            .map_err(|error| Failure::configuration("completions", &error))?;
        let json = json!({ "shell": self.shell.to_string(), "script": script });
        Ok(Report::new(json, script))
    }
}

const NAME: &str = "sealsum-attest";
const EXAMPLE: &str = "Example, for bash:
  sealsum-attest completions bash
writes the script to standard output; put it where the shell looks for it, such as
~/.local/share/bash-completion/completions/sealsum-attest.";
