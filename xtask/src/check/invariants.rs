//! ARCHITECTURE.md's table: every invariant names the code that enforces it and at least
//! two tests that attack it, and all of them exist.
//!
//! A row is `| I3 | what | path `symbol` | path `test`, `test` |`; each symbol belongs to
//! the path before it. A test counts once, however often it is named.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::TokenTree;

use super::{Findings, Source};

pub(super) fn check(root: &Path, sources: &[Source]) -> Findings {
    match fs::read_to_string(root.join(FILE)) {
        Ok(text) => judge(&text, sources),
        Err(error) => vec![format!("{FILE}: {error}")],
    }
}

fn judge(text: &str, sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    for number in 1..=INVARIANTS {
        let name = format!("I{number}");
        let rows: Vec<_> = text.lines().filter_map(|line| row(line, &name)).collect();
        let [(enforced, tested)] = rows.as_slice() else {
            findings.push(format!("{FILE} has {} rows for {name}, not 1", rows.len()));
            continue;
        };
        for (cell, is_test, least) in [(enforced, false, 1), (tested, true, ATTACKS)] {
            findings.extend(
                missing(cell, is_test, least, sources)
                    .into_iter()
                    .map(|what| format!("{FILE}: {name}: {what}")),
            );
        }
    }
    findings
}

/// The last two cells of an invariant's row.
fn row(line: &str, name: &str) -> Option<(String, String)> {
    let cells: Vec<_> = line
        .trim()
        .trim_matches('|')
        .split('|')
        .map(str::trim)
        .collect();
    match cells.as_slice() {
        [first, _, enforced, tested] if first.trim_matches('*') == name => {
            Some(((*enforced).to_owned(), (*tested).to_owned()))
        }
        _ => None,
    }
}

/// What of a cell is not there, and that it names fewer than `least` symbols, if so.
fn missing(cell: &str, is_test: bool, least: usize, sources: &[Source]) -> Vec<String> {
    let mut missing = Vec::new();
    let mut current: Option<&Source> = None;
    let mut named = BTreeSet::new();
    let separators = [' ', ',', ';', '(', ')', '[', ']'];
    for word in cell
        .split("<br>")
        .flat_map(|line| line.split(separators))
        .filter(|word| !word.is_empty())
    {
        let bare = word.trim_matches('`');
        if bare.ends_with(".rs") {
            current = sources.iter().find(|source| source.path == bare);
            if current.is_none() {
                missing.push(format!("there is no file {bare}"));
            }
        } else if word.starts_with('`') {
            let path = current.map(|source| source.path.as_str());
            named.insert((path, bare));
            match current {
                Some(source) if has(source, bare, is_test) => {}
                Some(source) => missing.push(format!("{} has no {bare}", source.path)),
                None => missing.push(format!("`{bare}` belongs to no file")),
            }
        }
    }
    if named.len() < least {
        let what = if is_test { "tests" } else { "symbols" };
        missing.push(format!(
            "`{cell}` names {} {what}, at least {least} are needed",
            named.len()
        ));
    }
    missing
}

/// Whether the file has every part of the name as a word of code; a test, as a function.
fn has(source: &Source, symbol: &str, is_test: bool) -> bool {
    let tokens = source.tokens();
    let is = |place: usize, word: &str| matches!(tokens.get(place), Some(TokenTree::Ident(ident)) if ident == word);
    symbol.trim_end_matches("()").split("::").all(|part| {
        (0..tokens.len())
            .any(|place| is(place, part) && (!is_test || (place > 0 && is(place - 1, "fn"))))
    })
}

const FILE: &str = "ARCHITECTURE.md";
const INVARIANTS: u32 = 17;
/// Tests that attack each invariant, at least: one that passes may have passed by luck.
const ATTACKS: usize = 2;

#[cfg(test)]
mod tests {
    use super::super::sources::example;
    use super::*;

    const SOURCE: &str =
        "impl Round { fn close() {} } #[test] fn it_closes_once() {} #[test] fn twice() {}";

    fn table(row_for_3: &str) -> String {
        (1..=INVARIANTS)
            .map(|i| match i {
                3 => format!("{row_for_3}\n"),
                _ => format!(
                    "| I{i} | x | a/src/a.rs `Round::close` | `a/src/a.rs` `it_closes_once`, `twice` |\n"
                ),
            })
            .collect()
    }

    fn findings(enforced: &str, tested: &str) -> usize {
        let row = format!("| I3 | x | {enforced} | {tested} |");
        judge(&table(&row), &example("a/src/a.rs", SOURCE)).len()
    }

    #[test]
    fn a_row_that_names_nothing_real_is_found() {
        let tests = "a/src/a.rs `it_closes_once`, `twice`";
        assert_eq!(findings("a/src/a.rs `close`", tests), 0);
        assert_eq!(findings("a/src/b.rs `close`", tests), 2);
        assert_eq!(findings("a/src/a.rs `open`", tests), 1);
        assert_eq!(findings("by care", tests), 1);
        assert_eq!(
            findings("a/src/a.rs `close`", "a/src/a.rs `twice`, `Round`"),
            1
        );
        assert_eq!(findings("a/src/a.rs `close`", "by reading"), 1);
        assert_eq!(judge(&table(""), &example("a/src/a.rs", SOURCE)).len(), 1);
    }

    #[test]
    fn one_test_is_not_enough_nor_the_same_one_twice() {
        for tests in [
            "a/src/a.rs `twice`",
            "a/src/a.rs `twice`, `twice`",
            "a/src/a.rs `twice`, a/src/a.rs `twice`",
        ] {
            assert_eq!(findings("a/src/a.rs `close`", tests), 1, "{tests}");
        }
        let two = "a/src/a.rs `it_closes_once`<br>a/src/a.rs `twice`";
        assert_eq!(findings("a/src/a.rs `close`", two), 0);
    }
}
