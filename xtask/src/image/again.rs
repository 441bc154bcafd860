//! The same commit, another folder, nothing cached, and other versions of what only the parent and
//! the client use: the same registers.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{Built, Recipe, assemble, program, record};
use crate::workspace;

/// Builds from a copy and compares with what was built; says which register differs.
pub(super) fn compare(recipe: &Recipe, built: &Built) -> Result<bool> {
    let folder = tempfile::Builder::new()
        .prefix("sealsum another folder, ")
        .tempdir()?;
    let root = folder.path().join("deeper").join("source");
    for ingredient in record::INGREDIENTS {
        copy(ingredient, &root)?;
    }
    bump_what_is_not_measured(&root)?;
    let out = folder.path().join("out");
    let (cache, cargo_home) = (folder.path().join("cache"), folder.path().join("cargo"));
    // As another user would have it: the crates' sources lie elsewhere, too.
    let program = program::build(&root, &out, &cache, Some(&cargo_home))?;
    // The record's commit is that of the original: a copy has no history.
    let second = assemble(recipe, workspace::root(), &program, &out)?;
    let differing: Vec<_> = built
        .record
        .registers()
        .zip(second.record.registers())
        .filter(|(first, second)| first != second)
        .collect();
    for ((name, first), (_, second)) in &differing {
        eprintln!("{name} does not reproduce: {first} here, {second} from a copy elsewhere");
    }
    if differing.is_empty() {
        eprintln!("the same registers from a copy in {}", root.display());
    }
    Ok(differing.is_empty())
}

/// Asks for versions of some of the parent's and client's crates that do not even exist. The root's
/// lock file and every other crate are not in the copy at all.
fn bump_what_is_not_measured(root: &Path) -> Result<()> {
    let path = root.join("Cargo.toml");
    let mut manifest: toml::Table = fs::read_to_string(&path)?.parse()?;
    let dependencies = manifest
        .get_mut("workspace")
        .and_then(|workspace| workspace.get_mut("dependencies"))
        .and_then(toml::Value::as_table_mut)
        .context("the workspace names no dependencies")?;
    for name in ["axum", "reqwest", "rusqlite", "tokio"] {
        let dependency = dependencies.get_mut(name);
        let version = dependency.and_then(|dependency| dependency.get_mut("version"));
        *version.with_context(|| format!("{name} has no version"))? = "999.0.0".into();
    }
    fs::write(&path, toml::to_string(&manifest)?)?;
    Ok(())
}

fn copy(ingredient: &str, root: &Path) -> Result<()> {
    let to = root.join(ingredient);
    let parent = to.parent().context("an ingredient has a folder")?;
    fs::create_dir_all(parent)?;
    let status = Command::new("cp")
        .arg("-R")
        .arg(workspace::root().join(ingredient))
        .arg(&to)
        .status()?;
    ensure!(status.success(), "cp of {ingredient} failed ({status})");
    Ok(())
}
