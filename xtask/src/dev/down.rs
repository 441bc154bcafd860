//! `dev down`: ends the processes of the record, if they are still those.

use anyhow::Result;
use serde_json::json;

use super::process::End;
use super::{Running, StateFolder};

/// How to stop.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    folder: StateFolder,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<bool> {
    let folder = options.folder.path()?;
    let ends = match Running::read(&folder)? {
        Some(running) => running.stop(&folder)?,
        None => Vec::new(),
    };
    if options.json {
        let ends: serde_json::Map<_, _> = ends
            .iter()
            .map(|(name, end)| ((*name).to_owned(), json!(end.as_str())))
            .collect();
        println!("{}", json!(ends));
    } else if ends.is_empty() {
        println!("nothing is up in {}", folder.display());
    } else {
        for (name, end) in &ends {
            println!("{name:<8} {}", end.as_str());
        }
    }
    Ok(ends.iter().all(|(_, end)| *end != End::Killed))
}
