//! `cargo xtask dev up` and `dev down`: all that a client needs to talk to, for whoever
//! writes one.
//!
//! Mock enclave and parent run on past the command; a record in the state folder says
//! which processes they are, so that both commands can be repeated and neither ever
//! touches a process of somebody else's. Keys, policy and rounds outlive a `down`.

mod down;
mod process;
mod up;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::workspace;
use process::Process;

/// What to do.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Start mock enclave and parent, and make an operator key, an identity and a policy.
    #[command(after_help = UP_EXAMPLE)]
    Up(up::Options),
    /// Stop them; rounds that collect are aborted, files stay.
    #[command(after_help = DOWN_EXAMPLE)]
    Down(down::Options),
}

/// Runs `dev`; true if what was asked for is so now.
pub(crate) fn run(command: &Command) -> Result<bool> {
    match command {
        Command::Up(options) => up::run(options),
        Command::Down(options) => down::run(options),
    }
}

/// Where the files are.
#[derive(clap::Args)]
struct StateFolder {
    /// The state folder; .sealsum-dev in the workspace if not given.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl StateFolder {
    fn path(&self) -> Result<PathBuf> {
        let path = match &self.dir {
            Some(dir) => dir.clone(),
            None => workspace::root().join(".sealsum-dev"),
        };
        std::path::absolute(&path).with_context(|| format!("{} is no path", path.display()))
    }
}

/// What is running, as the state folder keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Running {
    enclave: Server,
    parent: Server,
}

/// One server.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    process: Process,
    /// `tcp:HOST:PORT` of the enclave, the parent's URL.
    listening: String,
}

impl Running {
    /// What the record says; `None` if there is none.
    fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(RECORD);
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let running = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is damaged: end the processes by hand and delete it",
                path.display()
            )
        })?;
        Ok(Some(running))
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(RECORD);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| path.display().to_string())
    }

    /// Ends what still runs, the parent first, so that it can abort its rounds.
    fn stop(&self, folder: &Path) -> Result<Vec<(&'static str, process::End)>> {
        let ends = vec![
            ("parent", self.parent.process.stop()?),
            ("enclave", self.enclave.process.stop()?),
        ];
        let path = folder.join(RECORD);
        std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        Ok(ends)
    }
}

const RECORD: &str = "running.json";
const UP_EXAMPLE: &str = "Example:
  cargo xtask dev up
  cargo xtask dev up --listen 127.0.0.1:0 --json";
const DOWN_EXAMPLE: &str = "Example:
  cargo xtask dev down";
