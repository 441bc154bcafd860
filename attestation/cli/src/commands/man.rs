//! `sealsum-attest man`: manual pages, one for the program and one for each command.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Command, CommandFactory as _};
use clap_mangen::Man;
use serde_json::json;

use super::Cli;
use crate::failure::Failure;
use crate::file;
use crate::output::Report;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// Write every page into this folder; without it, the program's own page goes to stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let pages = pages()?;
        let Some(folder) = &self.out else {
            let (_, page) = pages.into_iter().next().unwrap_or_default();
            return Ok(Report::new(json!({ "page": page }), page));
        };
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        for (name, page) in &pages {
            file::write(&folder.join(name), page.as_bytes())?;
        }
        let names: Vec<_> = pages.iter().map(|(name, _)| name).collect();
        let out = folder.display().to_string();
        let text = format!("wrote {} pages to {out}", pages.len());
        Ok(Report::new(json!({ "out": out, "pages": names }), text))
    }
}

/// File names and pages, the program's own first.
fn pages() -> Result<Vec<(String, String)>, Failure> {
    let mut program = Cli::command();
    // Gives each command its whole name, and the options that are everywhere.
    program.build();
    let mut pages = Vec::new();
    add(&program, "sealsum-attest", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, name: &str, pages: &mut Vec<(String, String)>) -> Result<(), Failure> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .section("1")
        .render(&mut page)
        .and_then(|()| String::from_utf8(page).map_err(std::io::Error::other))
        .map(|page| pages.push((format!("{name}.1"), page)))
        .map_err(|error| Failure::configuration("man", &error))?;
    command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .try_for_each(|command| add(command, &format!("{name}-{}", command.get_name()), pages))
}

const EXAMPLE: &str = "Example:
  sealsum-attest man --out man1";
