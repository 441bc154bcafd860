//! The project's own Rust files, parsed once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};

/// One Rust file.
pub(super) struct Source {
    /// From the workspace's root, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
    pub(super) syntax: syn::File,
}

impl Source {
    pub(super) fn parse(path: &str, text: String) -> Result<Self> {
        let syntax = syn::parse_file(&text).with_context(|| format!("{path} does not parse"))?;
        Ok(Self {
            path: path.to_owned(),
            text,
            syntax,
        })
    }

    /// Whether all of it is tests: by where it lies.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Every token, groups opened, in order.
    pub(super) fn tokens(&self) -> Vec<TokenTree> {
        let stream: TokenStream = self.text.parse().unwrap_or_default();
        let mut flat = Vec::new();
        flatten(stream, &mut flat);
        flat
    }
}

/// Groups come before their content, so that a bracket's tokens follow it.
fn flatten(stream: TokenStream, flat: &mut Vec<TokenTree>) {
    for token in stream {
        let inner = match &token {
            TokenTree::Group(group) => Some(group.stream()),
            _ => None,
        };
        flat.push(token);
        if let Some(inner) = inner {
            flatten(inner, flat);
        }
    }
}

/// Every Rust file under `root`, sorted by path.
pub(super) fn read(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    walk(root, root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn walk(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if name != "target" && !name.starts_with('.') {
                walk(root, &path, sources)?;
            }
        } else if name.ends_with(".rs") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let path = path.strip_prefix(root).unwrap_or(&path);
            sources.push(Source::parse(&path.to_string_lossy(), text)?);
        }
    }
    Ok(())
}

/// A file of that content, for the rules' own tests.
#[cfg(test)]
pub(super) fn example(path: &str, text: &str) -> Vec<Source> {
    vec![Source::parse(path, text.to_owned()).expect("the example parses")]
}
