//! `sealsum identity`: one key, one ledger, one data set.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use sealsum_client::Identity;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Report;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key and its ledgers in a folder; once per data set
    #[command(after_help = "Example:\n  sealsum identity new clinic")]
    New {
        /// The folder; made if it is not there
        dir: PathBuf,
    },
    /// Show the public half
    #[command(after_help = "Example:\n  sealsum identity show clinic")]
    Show {
        /// The folder
        dir: PathBuf,
    },
}

impl Command {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        match self {
            Self::New { dir } => Ok(report(&Identity::create(&dir)?, &dir)),
            Self::Show { dir } => Ok(report(&Identity::load(&dir)?, &dir)),
        }
    }
}

fn report(identity: &Identity, dir: &Path) -> Report {
    let client_id = identity.client_id().to_string();
    Report::new(
        json!({ "client_id": client_id, "dir": dir.display().to_string() }),
        format!("client id  {client_id}\nfolder     {}", dir.display()),
    )
}
