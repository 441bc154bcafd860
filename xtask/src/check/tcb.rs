//! `enclave/TCB.txt`: what the enclave's image is built from, as a promise.
//!
//! Third-party crates by name and version, and our own lines. A change of it is
//! a change of what clients trust, so it has to be made by hand and shows in review.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use proc_macro2::TokenTree;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::tree::{Package, Question, packages};
use super::{Findings, Source};

pub(super) fn check(root: &Path, sources: &[Source], write: bool) -> Result<Findings> {
    let path = root.join(FILE);
    let wanted = describe(sources)?;
    if write {
        fs::write(&path, &wanted).with_context(|| format!("writing {}", path.display()))?;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    Ok(drift(&found, &wanted))
}

fn drift(found: &str, wanted: &str) -> Findings {
    let lines = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (found, wanted) = (lines(found), lines(wanted));
    let mut findings: Findings = found
        .difference(&wanted)
        .map(|line| format!("{FILE} says `{line}`, which is no longer so"))
        .collect();
    findings.extend(
        wanted
            .difference(&found)
            .map(|line| format!("{FILE} lacks `{line}`")),
    );
    if !findings.is_empty() {
        findings.push("if the change is meant: cargo xtask check --write".to_owned());
    }
    findings
}

fn describe(sources: &[Source]) -> Result<String> {
    let image = third_party("normal,no-proc-macro")?;
    let with_macros = third_party("normal")?;
    let with_builds = third_party("normal,build")?;
    let mut text = String::from(HEAD);
    let mut section = |title: &str, packages: Vec<&Package>| {
        let _ = write!(text, "\n## {title}: {}\n\n", packages.len());
        for package in packages {
            let _ = writeln!(text, "{} {}", package.name, package.version);
        }
    };
    section("Third-party crates in the image", image.iter().collect());
    section(
        "Proc-macros and what they are made of (run at build time)",
        with_macros.difference(&image).collect(),
    );
    section(
        "Build scripts' crates (run at build time)",
        with_builds.difference(&with_macros).collect(),
    );
    text.push_str("\n## Our lines of code, without blanks, comments and tests\n\n");
    let mut total = 0;
    for folder in OURS {
        let lines: usize = sources
            .iter()
            .filter(|source| source.path.starts_with(&format!("{folder}/src/")))
            .map(code_lines)
            .sum();
        total += lines;
        let _ = writeln!(text, "{folder} {lines}");
    }
    let _ = writeln!(text, "total {total}");
    Ok(text)
}

fn third_party(edges: &str) -> Result<BTreeSet<Package>> {
    let mut tree = packages(&Question {
        manifest: Some("enclave/nitro/Cargo.toml"),
        package: None,
        edges,
        target: Some("x86_64-unknown-linux-gnu"),
    })?;
    tree.retain(|package| !package.ours);
    Ok(tree)
}

/// Lines with at least one token that is neither a comment nor under `#[cfg(test)]`.
fn code_lines(source: &Source) -> usize {
    if source.is_test() {
        return 0;
    }
    let mut tests = TestLines::default();
    tests.visit_file(&source.syntax);
    let mut lines = BTreeSet::new();
    let tokens = source.tokens();
    let mut documentation = None;
    for (place, token) in tokens.iter().enumerate() {
        // A doc comment arrives as #[doc = "..."], all with the comment's span.
        if is_documentation(&tokens[place..]) {
            documentation = Some(token.span().start());
        }
        if documentation == Some(token.span().start()) {
            continue;
        }
        let (first, last) = match token {
            // Its two ends; its content is tokens of their own.
            TokenTree::Group(group) => {
                lines.insert(group.span_close().start().line);
                let open = group.span_open().start().line;
                (open, open)
            }
            _ => (token.span().start().line, token.span().end().line),
        };
        lines.extend(first..=last);
    }
    lines.retain(|line| !tests.0.contains(line));
    lines.len()
}

fn is_documentation(tokens: &[TokenTree]) -> bool {
    let is_hash = matches!(tokens.first(), Some(TokenTree::Punct(p)) if p.as_char() == '#');
    is_hash
        && tokens
            .iter()
            .take(4)
            .any(|token| matches!(token, TokenTree::Ident(ident) if *ident == "doc"))
}

/// The lines of items under `#[cfg(test)]`.
#[derive(Default)]
struct TestLines(BTreeSet<usize>);

impl<'a> Visit<'a> for TestLines {
    fn visit_item(&mut self, item: &'a syn::Item) {
        if attributes(item).iter().any(is_cfg_test) {
            let span = item.span();
            self.0.extend(span.start().line..=span.end().line);
        } else {
            visit::visit_item(self, item);
        }
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        _ => &[],
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|path| path.is_ident("test"))
}

const FILE: &str = "enclave/TCB.txt";
const OURS: [&str; 3] = ["protocol", "enclave/core", "enclave/nitro"];
const HEAD: &str = "\
# What the production enclave is built from, for x86_64-unknown-linux-gnu.
# Written by `cargo xtask check --write`; CI fails when it drifts.
";

#[cfg(test)]
mod tests {
    use super::super::sources::example;
    use super::*;

    #[test]
    fn comments_blanks_and_tests_are_no_lines_of_code() {
        let text = "//! Head.\n\n/// Doc.\n// Why.\nfn a() {\n    b(\"x\n y\");\n}\n\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\n";
        assert_eq!(code_lines(&example("protocol/src/a.rs", text)[0]), 4);
        assert_eq!(code_lines(&example("protocol/src/a/tests.rs", text)[0]), 0);
    }

    #[test]
    fn a_crate_more_or_a_line_more_is_a_drift() {
        assert!(drift("aes 1\n", "aes 1\n").is_empty());
        assert_eq!(drift("aes 1\n", "aes 1\nlog 2\n").len(), 2);
        assert_eq!(drift("aes 1\n", "aes 2\n").len(), 3);
    }
}
