//! `sealsum operator`: the key that signs a task's parameters, and that clients' policies pin.

use std::path::PathBuf;

use clap::Subcommand;
use sealsum_client::operator;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Report;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key file
    #[command(after_help = "Example:\n  sealsum operator new operator.key")]
    New {
        /// The file; never overwritten
        file: PathBuf,
    },
    /// Show the public half, for clients' policies
    #[command(after_help = "Example:\n  sealsum operator show operator.key")]
    Show {
        /// The file
        file: PathBuf,
    },
}

impl Command {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let key = match self {
            Self::New { file } => operator::create(&file)?,
            Self::Show { file } => operator::load(&file)?.key(),
        };
        Ok(Report::new(
            json!({ "operator_key": key.to_string() }),
            key.to_string(),
        ))
    }
}
