//! Dependencies as cargo resolves them, for one crate at a time: features that
//! another crate of the workspace switches on don't count.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::workspace;

/// A package in a tree.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// It lies in this repository.
    pub(super) ours: bool,
}

/// What to ask cargo for.
pub(super) struct Question<'a> {
    /// Another workspace's manifest, from the root.
    pub(super) manifest: Option<&'a str>,
    /// One crate, or the whole workspace.
    pub(super) package: Option<&'a str>,
    /// As cargo's `--edges`.
    pub(super) edges: &'a str,
    /// A platform, if not this machine's.
    pub(super) target: Option<&'a str>,
}

/// All packages of a tree, its roots included.
pub(super) fn packages(question: &Question<'_>) -> Result<BTreeSet<Package>> {
    let mut cargo = workspace::cargo();
    cargo.args(["tree", "--locked", "--prefix", "none", "--no-dedupe"]);
    cargo.args(["--format", "{p}", "--edges", question.edges]);
    if let Some(manifest) = question.manifest {
        cargo.args(["--manifest-path", manifest]);
    }
    match question.package {
        Some(package) => cargo.args(["--package", package]),
        None => cargo.arg("--workspace"),
    };
    if let Some(target) = question.target {
        cargo.args(["--target", target]);
    }
    Ok(workspace::output(&mut cargo)?
        .lines()
        .filter_map(parse)
        .collect())
}

/// `name vVERSION [(proc-macro)] [(PATH)]`.
fn parse(line: &str) -> Option<Package> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    let ours = words.any(|word| word.starts_with("(/") || word.starts_with("(file:"));
    Some(Package {
        name,
        version,
        ours,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_cargo_tree_is_a_package() {
        let foreign = parse("zeroize_derive v1.5.0 (proc-macro)").expect("a package");
        assert_eq!(
            (foreign.name.as_str(), foreign.version.as_str()),
            ("zeroize_derive", "1.5.0")
        );
        assert!(!foreign.ours);
        assert!(
            parse("sealsum-protocol v0.1.0 (/src/protocol)")
                .expect("ours")
                .ours
        );
        assert!(parse("").is_none());
    }
}
