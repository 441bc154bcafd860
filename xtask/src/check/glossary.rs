//! docs/GLOSSARY.md: each term names where it lives, and that is there.
//!
//! A row is `| **term** | meaning | path `Type` |`; the path may be a folder, then without
//! a type.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::references::{cells, has_word, references};
use super::{Findings, Source};

pub(super) fn check(root: &Path, sources: &[Source]) -> Findings {
    match fs::read_to_string(root.join(FILE)) {
        Ok(text) => judge(&text, &|path| root.join(path).exists(), sources),
        Err(error) => vec![format!("{FILE}: {error}")],
    }
}

fn judge(text: &str, is_there: &dyn Fn(&str) -> bool, sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    let mut terms = BTreeSet::new();
    let is_term = |cell: &str| cell.starts_with("**");
    for row in text.lines().filter_map(|line| cells(line, is_term)) {
        let term = row[0];
        if !terms.insert(term) {
            findings.push(format!("{FILE}: {term} stands twice"));
        }
        let [_, meaning, carried] = row[..] else {
            findings.push(format!("{FILE}: {term}: {} cells, not 3", row.len()));
            continue;
        };
        if meaning.is_empty() {
            findings.push(format!("{FILE}: {term} has no meaning"));
        }
        if let Err(what) = judge_carried(carried, is_there, sources) {
            findings.push(format!("{FILE}: {term}: {what}"));
        }
    }
    if terms.is_empty() {
        findings.push(format!("{FILE} explains nothing"));
    }
    findings
}

fn judge_carried(
    carried: &str,
    is_there: &dyn Fn(&str) -> bool,
    sources: &[Source],
) -> Result<(), String> {
    let references = references(carried)?;
    if references.is_empty() {
        return Err(format!("{carried:?} names no path"));
    }
    for reference in references {
        let path = reference.path;
        if !is_there(path) {
            return Err(format!("there is no {path}"));
        }
        let source = sources.iter().find(|source| source.path == path);
        for name in reference.names {
            if !source.is_some_and(|source| has_word(source, name)) {
                return Err(format!("{path} has no {name}"));
            }
        }
    }
    Ok(())
}

const FILE: &str = "docs/GLOSSARY.md";

#[cfg(test)]
mod tests {
    use super::super::sources::example;
    use super::*;

    fn findings(rows: &[&str]) -> usize {
        let sources = example("a/src/a.rs", "pub struct Round;");
        let is_there = |path: &str| ["a/", "a/src/a.rs"].contains(&path);
        judge(&rows.join("\n"), &is_there, &sources).len()
    }

    #[test]
    fn terms_that_live_somewhere_pass() {
        let sound = [
            "| term | meaning | carried by |",
            "| **round** | one run | a/src/a.rs `Round` |",
            "| **client** | a data holder | `a/` |",
        ];
        assert_eq!(findings(&sound), 0);
    }

    #[test]
    fn a_term_that_lives_nowhere_or_stands_twice_is_found() {
        assert_eq!(findings(&[]), 1);
        for carried in ["-", "a/src/a.rs `Cohort`", "b/", "a/ `Round`", "`Round`"] {
            let row = format!("| **round** | one run | {carried} |");
            assert_eq!(findings(&[&row]), 1, "{carried}");
        }
        let round = "| **round** | one run | a/src/a.rs `Round` |";
        assert_eq!(findings(&[round, round]), 1);
        assert_eq!(findings(&["| **round** | | a/src/a.rs `Round` |"]), 1);
        assert_eq!(findings(&["| **round** | a/src/a.rs `Round` |"]), 1);
    }
}
