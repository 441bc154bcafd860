//! `sealsum policy`: what this data holder accepts, in its own file.

mod ask;
mod check;
mod new;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Report;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write a policy; asks on a terminal for the terms that are not given
    New(Box<new::Args>),
    /// Check a policy and the appraisal policy that it names
    Check(check::Args),
}

impl Command {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        match self {
            Self::New(args) => args.run(),
            Self::Check(args) => args.run(),
        }
    }
}
