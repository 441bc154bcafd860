//! Tables in the docs that name files and what is in them: how a cell is read, and
//! whether what it names is there.
//!
//! A cell holds paths, each with a slash in it, and after a path its names in backticks:
//! `a/src/a.rs` `Round::close`, `abort`. Other words are prose.

use proc_macro2::TokenTree;

use super::Source;

/// A path and the names that belong to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) path: &'a str,
    pub(super) names: Vec<&'a str>,
}

/// The cells of a table's row, if the first one is such a row's.
pub(super) fn cells(line: &str, first: impl Fn(&str) -> bool) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<_> = inner.split('|').map(str::trim).collect();
    cells
        .first()
        .is_some_and(|cell| first(cell))
        .then_some(cells)
}

/// What a cell refers to.
///
/// # Errors
/// A name that stands before any path.
pub(super) fn references(cell: &str) -> Result<Vec<Reference<'_>>, String> {
    let mut references: Vec<Reference<'_>> = Vec::new();
    let words = cell.split([' ', ',', ';', '(', ')']);
    for word in words.filter(|word| !word.is_empty()) {
        let bare = word.trim_matches('`');
        if bare.contains('/') {
            let names = Vec::new();
            references.push(Reference { path: bare, names });
        } else if word.starts_with('`') {
            match references.last_mut() {
                Some(reference) => reference.names.push(bare),
                None => return Err(format!("`{bare}` belongs to no file")),
            }
        }
    }
    Ok(references)
}

/// Whether the file has every part of the name as a word of code.
pub(super) fn has_word(source: &Source, name: &str) -> bool {
    let tokens = source.tokens();
    name.trim_end_matches("()")
        .split("::")
        .all(|part| tokens.iter().any(|token| is(token, part)))
}

/// Whether the file has a test of this name: a function, with an attribute that makes it one.
pub(super) fn has_test(source: &Source, name: &str) -> bool {
    let tokens = source.tokens();
    let is_fn = |place: &usize| is(&tokens[*place], "fn");
    (0..tokens.len()).filter(is_fn).any(|place| {
        tokens.get(place + 1).is_some_and(|token| is(token, name)) && {
            // Attributes stand between the function before and this one.
            let begin = (0..place).rfind(is_fn).map_or(0, |before| before + 1);
            tokens[begin..place].windows(2).any(is_test_attribute)
        }
    })
}

/// `#[test]`, `#[tokio::test(..)]`.
fn is_test_attribute(pair: &[TokenTree]) -> bool {
    match pair {
        [TokenTree::Punct(hash), TokenTree::Group(group)] if hash.as_char() == '#' => {
            let words = group.stream().into_iter();
            let words = words.filter(|token| matches!(token, TokenTree::Ident(_)));
            words.last().is_some_and(|last| is(&last, "test"))
        }
        _ => false,
    }
}

fn is(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

#[cfg(test)]
mod tests {
    use super::super::sources::example;
    use super::*;

    #[test]
    fn a_cell_reads_as_paths_with_their_names() {
        let read = references("a/src/a.rs `Round::close`, `abort`; and `b/`").unwrap();
        let reference = |path, names: &[&'static str]| Reference {
            path,
            names: names.to_vec(),
        };
        let expected = [
            reference("a/src/a.rs", &["Round::close", "abort"]),
            reference("b/", &[]),
        ];
        assert_eq!(read, expected);
        assert!(references("`close` of a/src/a.rs").is_err());
    }

    #[test]
    fn a_row_is_known_by_its_first_cell() {
        assert_eq!(
            cells("| S1 | a | b |", |first| first == "S1"),
            Some(vec!["S1", "a", "b"])
        );
        assert_eq!(cells("|---|---|---|", |first| first == "S1"), None);
        assert_eq!(cells("S1 | a | b", |first| first == "S1"), None);
    }

    #[test]
    fn only_a_function_that_runs_as_a_test_is_one() {
        let text = "
            fn helper() {}
            #[test] fn one() { fn nested() {} }
            #[tokio::test(flavor = \"multi_thread\")] async fn two() {}
            mod m { proptest! { #[test] fn three(x in 0..1) {} } fn after() {} }
            #[cfg(test)] fn four() {}
            #[test] fn last() {}";
        let sources = example("a/src/a.rs", text);
        let there: Vec<_> = [
            "helper", "one", "nested", "two", "three", "after", "four", "last",
        ]
        .into_iter()
        .filter(|name| has_test(&sources[0], name))
        .collect();
        assert_eq!(there, ["one", "two", "three", "last"]);
        assert!(has_word(&sources[0], "m::helper"));
        assert!(!has_word(&sources[0], "helper::gone"));
    }
}
