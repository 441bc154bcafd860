//! `sealsum-attest publisher`: the key that endorses images.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use sealsum_attestation::PublisherSigner;
use serde_json::json;

use crate::failure::Failure;
use crate::key_file;
use crate::output::Report;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key; keep its file secret, and give its public half to those who trust you
    #[command(after_help = "Example:\n  sealsum-attest publisher new new.key")]
    New(Args),
    /// Show a key's public half
    #[command(after_help = "Example:\n  sealsum-attest publisher show publisher.key")]
    Show(Args),
}

#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The key's file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Command {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        match self {
            Self::New(args) => key_file::create(&args.file),
            Self::Show(args) => key_file::read(&args.file),
        }
        .map(|signer| report(&signer))
    }
}

fn report(signer: &PublisherSigner) -> Report {
    let key = signer.key().to_string();
    Report::new(json!({ "key": key }), format!("key  {key}"))
}
