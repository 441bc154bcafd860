//! The same commit, another folder, nothing cached: the same registers.

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
    let out = folder.path().join("out");
    let program = program::build(&root, &out, &folder.path().join("cache"))?;
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
