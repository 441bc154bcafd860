//! `sealsum-attest policy`: what is accepted.

mod add;
mod check;
mod entry;
mod new;
mod source;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Report;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write a policy for one image, or for a publisher's images
    New(new::Args),
    /// Accept one more image or publisher, for a rolling upgrade
    Add(add::Args),
    /// Say whether a policy can be used, and what it accepts
    Check(check::Args),
}

impl Command {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        match self {
            Self::New(args) => args.run(),
            Self::Add(args) => args.run(),
            Self::Check(args) => args.run(),
        }
    }
}
