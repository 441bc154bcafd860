//! `sealsum-parent completions` and `man`: what a shell and a manual know of the command line.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use serde_json::json;

use super::output::{self, Unwritten};
use crate::flags::{Arguments, CompletionOptions, ManOptions};

pub(crate) fn completions(options: &CompletionOptions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), NAME, &mut script);
    let script = String::from_utf8(script).context("the script is no text")?;
    if options.json {
        let shell = options.shell.to_string();
        output::say(&json!({"shell": shell, "script": script}))?;
    } else {
        output::print(&script)?;
    }
    Ok(())
}

pub(crate) fn man(options: &ManOptions) -> anyhow::Result<()> {
    let mut program = Arguments::command();
    // Gives each command its whole name.
    program.build();
    let mut pages = Vec::new();
    add(&program, NAME, &mut pages)?;
    let Some(folder) = &options.out else {
        let (_, page) = pages.into_iter().next().unwrap_or_default();
        if options.json {
            output::say(&json!({ "page": page }))?;
        } else {
            output::print(&page)?;
        }
        return Ok(());
    };
    write(folder, &pages)?;
    let names: Vec<_> = pages.iter().map(|(name, _)| name).collect();
    if options.json {
        output::say(&json!({"out": folder, "pages": names}))?;
    } else {
        let (count, folder) = (pages.len(), folder.display());
        output::say(&format_args!("wrote {count} pages to {folder}"))?;
    }
    Ok(())
}

/// File names and pages, the program's own first.
fn add(command: &Command, name: &str, pages: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).section("1");
    man.render(&mut page).context("a page was not made")?;
    let page = String::from_utf8(page).context("a page is no text")?;
    pages.push((format!("{name}.1"), page));
    for below in command.get_subcommands() {
        if below.get_name() != "help" {
            add(below, &format!("{name}-{}", below.get_name()), pages)?;
        }
    }
    Ok(())
}

fn write(folder: &Path, pages: &[(String, String)]) -> Result<(), Unwritten> {
    let at_fault = |path: &Path| {
        let path = path.to_owned();
        |source| Unwritten::File { path, source }
    };
    fs::create_dir_all(folder).map_err(at_fault(folder))?;
    for (name, page) in pages {
        let path = folder.join(name);
        fs::write(&path, page).map_err(at_fault(&path))?;
    }
    Ok(())
}

const NAME: &str = "sealsum-parent";
