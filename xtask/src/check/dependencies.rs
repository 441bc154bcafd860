//! Who may depend on whom (ARCHITECTURE.md, the crate map), directly or not.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Findings;
use super::tree::{Package, Question, packages};

pub(super) fn check() -> Result<Findings> {
    let mut findings = Findings::new();
    for rule in RULES {
        let tree = packages(&Question {
            manifest: rule.manifest,
            package: Some(rule.name),
            edges: "normal",
            target: None,
        })?;
        findings.extend(broken_by(rule, &tree));
    }
    let everything = packages(&Question {
        manifest: None,
        package: None,
        edges: "normal,build,dev",
        target: None,
    })?;
    findings.extend(without_a_rule(&everything));
    findings.extend(other_providers(&everything));
    Ok(findings)
}

/// What one crate may have below it.
struct Rule {
    name: &'static str,
    /// Set if it is a workspace of its own.
    manifest: Option<&'static str>,
    /// Which of our crates.
    ours: &'static [&'static str],
    /// Which of others' not: names, or beginnings that end in `*`.
    never: &'static [&'static [&'static str]],
}

fn broken_by(rule: &Rule, tree: &BTreeSet<Package>) -> Findings {
    let mut findings = Findings::new();
    for package in tree.iter().filter(|package| package.name != rule.name) {
        let name = package.name.as_str();
        if package.ours && !rule.ours.contains(&name) {
            let allowed = rule.ours.join(", ");
            findings.push(format!(
                "{} depends on {name}; of our crates it may have: {allowed}",
                rule.name
            ));
        }
        if rule.never.iter().any(|group| names(group, name)) {
            findings.push(format!(
                "{} depends on {name}, which it never may",
                rule.name
            ));
        }
    }
    findings
}

fn without_a_rule(tree: &BTreeSet<Package>) -> Findings {
    tree.iter()
        .filter(|package| package.ours && !FREE.contains(&package.name.as_str()))
        .filter(|package| RULES.iter().all(|rule| rule.name != package.name))
        .map(|package| {
            format!(
                "{} has no rule in xtask/src/check/dependencies.rs",
                package.name
            )
        })
        .collect()
}

/// A second provider in the graph makes rustls's defaults panic.
fn other_providers(tree: &BTreeSet<Package>) -> Findings {
    tree.iter()
        .filter(|package| names(OTHER_TLS, &package.name))
        .map(|package| format!("{} is a second TLS provider beside ring", package.name))
        .collect()
}

fn names(group: &[&str], name: &str) -> bool {
    group.iter().any(|entry| match entry.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *entry,
    })
}

const RULES: &[Rule] = &[
    Rule {
        name: "sealsum-protocol",
        manifest: None,
        ours: &[],
        never: &[ASYNC, NET, CLOCK, LOG, RANDOM, RING],
    },
    Rule {
        name: "sealsum-attestation",
        manifest: None,
        ours: &["sealsum-protocol"],
        never: &[ASYNC, NET, CLAP],
    },
    Rule {
        name: "sealsum-attest",
        manifest: None,
        ours: &["sealsum-protocol", "sealsum-attestation", "sealsum-eif"],
        never: &[ASYNC, NET],
    },
    Rule {
        name: "sealsum-eif",
        manifest: None,
        ours: &[],
        never: &[ASYNC, NET, CLOCK, LOG, RANDOM, RING, CLAP],
    },
    Rule {
        name: "sealsum-enclave-core",
        manifest: None,
        ours: &["sealsum-protocol"],
        never: &[ASYNC, NET, CLOCK, LOG, RANDOM, RING, CLAP],
    },
    Rule {
        name: "sealsum-enclave",
        manifest: Some("enclave/nitro/Cargo.toml"),
        ours: &["sealsum-protocol", "sealsum-enclave-core"],
        never: &[ASYNC, NET, RING, OTHER_TLS, CLAP],
    },
    Rule {
        name: "sealsum-softnsm",
        manifest: None,
        ours: &["sealsum-protocol"],
        never: &[ASYNC, NET],
    },
    Rule {
        name: "sealsum-mock-enclave",
        manifest: None,
        ours: &[
            "sealsum-protocol",
            "sealsum-enclave-core",
            "sealsum-softnsm",
        ],
        never: &[ASYNC, NET],
    },
    Rule {
        name: "sealsum-parent",
        manifest: None,
        ours: &["sealsum-protocol", "sealsum-attestation"],
        never: &[],
    },
    Rule {
        name: "sealsum-client",
        manifest: None,
        ours: &["sealsum-protocol", "sealsum-attestation"],
        never: &[CLAP],
    },
    Rule {
        name: "sealsum",
        manifest: None,
        ours: &["sealsum-protocol", "sealsum-attestation", "sealsum-client"],
        never: &[],
    },
];
/// May depend on anything; no rule above lists them, so nothing that ships has them.
const FREE: &[&str] = &[
    "sealsum-forge",
    "sealsum-fuzz",
    "sealsum-testkit",
    "sealsum-sim",
    "sealsum-e2e",
    "sealsum-bench",
    "xtask",
];

const ASYNC: &[&str] = &["tokio*", "async-*", "futures*", "mio", "smol"];
const NET: &[&str] = &[
    "http*", "hyper*", "h2", "reqwest", "axum*", "tower*", "socket2", "rustls", "url",
];
const CLOCK: &[&str] = &["chrono", "time", "jiff"];
const LOG: &[&str] = &["log", "tracing*", "slog*", "env_logger"];
/// Randomness comes through an argument or a seam; rand_core is but its traits.
const RANDOM: &[&str] = &["getrandom", "rand", "rand_chacha", "fastrand"];
const RING: &[&str] = &["ring"];
const CLAP: &[&str] = &["clap*"];
/// `openssl-probe` is none of them: it finds the system's certificates.
const OTHER_TLS: &[&str] = &[
    "aws-lc*",
    "openssl",
    "openssl-s*",
    "native-tls",
    "boring*",
    "mbedtls*",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[(&str, bool)]) -> BTreeSet<Package> {
        names
            .iter()
            .map(|(name, ours)| Package {
                name: (*name).to_owned(),
                version: "1.0.0".to_owned(),
                ours: *ours,
            })
            .collect()
    }

    #[test]
    fn a_forbidden_crate_anywhere_below_is_found() {
        let core = RULES
            .iter()
            .find(|rule| rule.name == "sealsum-enclave-core")
            .unwrap();
        let good = tree(&[
            ("sealsum-enclave-core", true),
            ("sealsum-protocol", true),
            ("aes", false),
        ]);
        assert!(broken_by(core, &good).is_empty());
        let bad = tree(&[
            ("sealsum-attestation", true),
            ("tokio-util", false),
            ("ring", false),
        ]);
        assert_eq!(broken_by(core, &bad).len(), 3);
    }

    #[test]
    fn a_crate_nobody_thought_of_is_found() {
        assert!(without_a_rule(&tree(&[("xtask", true), ("serde", false)])).is_empty());
        assert_eq!(without_a_rule(&tree(&[("sealsum-new", true)])).len(), 1);
    }

    #[test]
    fn a_second_tls_provider_is_found() {
        assert!(other_providers(&tree(&[("ring", false), ("rustls", false)])).is_empty());
        assert_eq!(other_providers(&tree(&[("aws-lc-sys", false)])).len(), 1);
    }
}
