//! `cargo xtask walk`: types the README's walk into three terminals, word for word.
//!
//! The blocks are taken out of the page itself, so what a reader types is what runs here;
//! only the PATH to the built programs, and to a Python with numpy, is set from outside.
//! It fails at the first command that does, and if the mean is not the mean.

mod mean;
mod script;
mod terminal;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::demo::programs::Programs;
use crate::workspace;
use script::Block;
use terminal::{Place, Terminal};

/// How to walk.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// A virtual environment with examples/walk/requirements.txt; the python3 on the path
    /// if not given.
    #[arg(long, value_name = "DIR")]
    venv: Option<PathBuf>,
    /// Write {"blocks","max_abs_diff","ok"} to standard output, and nothing else.
    #[arg(long)]
    json: bool,
}

/// Walks; true if the mean is right.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let page = workspace::root().join("README.md");
    let page = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let blocks = script::blocks(&page).context("README.md")?;
    let programs = Programs::build()?;
    let path = search_path(&programs.path(""), options.venv.as_deref())?;
    let folder = tempfile::Builder::new().prefix("sealsum-walk-").tempdir()?;
    let scripts = tempfile::Builder::new().prefix("sealsum-walk-").tempdir()?;
    let place = Place {
        folder: folder.path(),
        scripts: scripts.path(),
        path: &path,
        aloud: !options.json,
    };
    type_all(&blocks, &place)?;
    let difference = mean::largest_difference(folder.path(), &path)?;
    let ok = difference < LARGEST_DIFFERENCE;
    if options.json {
        let blocks = blocks.len();
        println!(
            "{}",
            json!({ "blocks": blocks, "max_abs_diff": difference, "ok": ok })
        );
    } else {
        println!(
            "walked {} blocks; the mean is off numpy's by at most {difference:e}, allowed {LARGEST_DIFFERENCE:e}",
            blocks.len()
        );
    }
    Ok(ok)
}

/// Each block into its terminal, in the page's order; then Ctrl-C wherever a service runs,
/// the last one first, as the page says.
fn type_all(blocks: &[Block], place: &Place<'_>) -> Result<()> {
    let mut terminals: BTreeMap<&str, Terminal> = BTreeMap::new();
    let mut services = Vec::new();
    for block in blocks {
        let name = block.terminal.as_str();
        if !terminals.contains_key(name) {
            terminals.insert(name, Terminal::open(name, place)?);
        }
        let Some(terminal) = terminals.get_mut(name) else {
            continue;
        };
        if place.aloud {
            for line in block.commands.lines() {
                eprintln!("{name:<8} $ {line}");
            }
        }
        terminal.run(block)?;
        if terminal.is_serving() {
            services.push(name);
        }
    }
    for name in services.iter().rev() {
        if let Some(terminal) = terminals.get_mut(name) {
            terminal.interrupt()?;
        }
    }
    Ok(())
}

/// The programs first, then the environment's Python, then what we were given.
fn search_path(programs: &Path, venv: Option<&Path>) -> Result<OsString> {
    let mut folders = vec![programs.to_owned()];
    if let Some(venv) = venv {
        let bin = venv.join("bin");
        let bin = fs::canonicalize(&bin).with_context(|| bin.display().to_string())?;
        folders.push(bin);
    }
    let given = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&given));
    std::env::join_paths(folders).context("a folder of the PATH has a colon in its name")
}

/// 2^-16, a step of the walk's round: twice what docs/PROTOCOL.md derives for `nearest`,
/// for the mean is stored in 32 bits.
const LARGEST_DIFFERENCE: f64 = 1.0 / 65536.0;
const EXAMPLE: &str = "Example:
  cargo xtask walk
  cargo xtask walk --venv .venv --json";
