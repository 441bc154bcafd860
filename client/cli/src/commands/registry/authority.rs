//! `sealsum registry authority`: the key that vouches for registries, and that policies pin.

use std::path::PathBuf;

use clap::Subcommand;
use sealsum_client::authority;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Report;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key file
    #[command(after_help = "Example:\n  sealsum registry authority new authority.key")]
    New {
        /// The file; never overwritten
        file: PathBuf,
    },
    /// Show the public half, for clients' policies
    #[command(after_help = "Example:\n  sealsum registry authority show authority.key")]
    Show {
        /// The file
        file: PathBuf,
    },
}

impl Command {
    pub(super) fn run(self) -> Result<Report, Failure> {
        let key = match self {
            Self::New { file } => authority::create(&file)?,
            Self::Show { file } => authority::load(&file)?.key(),
        };
        Ok(Report::new(
            json!({ "authority_key": key.to_string() }),
            key.to_string(),
        ))
    }
}
