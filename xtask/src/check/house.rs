//! House rules: short files, nothing left undone, one way to seal (I1).

use proc_macro2::TokenTree;

use super::{Findings, Source};

pub(super) fn check(sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines >= LINE_LIMIT && source.path.contains("src/") {
            findings.push(format!(
                "{}: {lines} lines; a file holds one idea and stays under {LINE_LIMIT}",
                source.path
            ));
        }
        let tokens = source.tokens();
        for (place, token) in tokens.iter().enumerate() {
            let rest = &tokens[place..];
            let what = left_undone(rest).or_else(|| {
                let allowed = MAY_ENCAPSULATE
                    .iter()
                    .any(|path| source.path.starts_with(path));
                (!allowed && !source.is_test() && encapsulates(rest))
                    .then_some("Encapsulation::to outside the appraised enclave (I1)")
            });
            if let Some(what) = what {
                let line = token.span().start().line;
                findings.push(format!("{}:{line}: {what}", source.path));
            }
        }
    }
    findings
}

fn left_undone(tokens: &[TokenTree]) -> Option<&'static str> {
    match tokens {
        [TokenTree::Ident(name), TokenTree::Punct(bang), ..] if bang.as_char() == '!' => UNDONE
            .iter()
            .find(|(word, _)| name == word)
            .map(|(_, what)| *what),
        [
            TokenTree::Punct(hash),
            TokenTree::Group(group),
            TokenTree::Ident(name),
            ..,
        ] if hash.as_char() == '#'
            && group.delimiter() == proc_macro2::Delimiter::Bracket
            && name == "ignore" =>
        {
            Some("a test that never runs")
        }
        _ => None,
    }
}

/// `Encapsulation::to`, or a new name for `Encapsulation`.
fn encapsulates(tokens: &[TokenTree]) -> bool {
    let is = |place: usize, word: &str| matches!(tokens.get(place), Some(TokenTree::Ident(ident)) if ident == word);
    let colon = |place: usize| matches!(tokens.get(place), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is(0, "Encapsulation") && ((colon(1) && colon(2) && is(3, "to")) || is(1, "as"))
}

const LINE_LIMIT: usize = 400;
const UNDONE: [(&str, &str); 3] = [
    ("todo", "a todo!"),
    ("unimplemented", "an unimplemented!"),
    ("dbg", "a dbg!"),
];
/// Where sealing begins without an appraised enclave: the crate that defines it, the one
/// that appraises, and those that play both sides.
const MAY_ENCAPSULATE: [&str; 4] = [
    "protocol/",
    "attestation/",
    "testkit/",
    "xtask/src/vectors/",
];

#[cfg(test)]
mod tests {
    use super::super::sources::example;
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&example(path, text)).len()
    }

    #[test]
    fn what_is_left_undone_is_found_wherever_it_hides() {
        assert_eq!(
            findings("a/src/a.rs", "fn a() { b(\"todo!()\") } // todo!()"),
            0
        );
        assert_eq!(findings("a/src/a.rs", "fn a() { vec![todo!()] }"), 1);
        assert_eq!(findings("a/src/a.rs", "fn a() { unimplemented!() }"), 1);
        assert_eq!(
            findings("a/src/tests.rs", "#[test] #[ignore = \"slow\"] fn a() {}"),
            1
        );
    }

    #[test]
    fn a_file_of_400_lines_is_too_long() {
        assert_eq!(findings("a/src/a.rs", &"\n".repeat(399)), 0);
        assert_eq!(findings("a/src/a.rs", &"\n".repeat(400)), 1);
        assert_eq!(findings("a/tests/a.rs", &"\n".repeat(400)), 0);
    }

    #[test]
    fn sealing_past_the_appraisal_is_found() {
        let text = "fn a() { Encapsulation::to(b, c, d); }";
        assert_eq!(findings("client/src/a.rs", text), 1);
        assert_eq!(findings("client/src/a.rs", "use p::Encapsulation as E;"), 1);
        assert_eq!(findings("attestation/src/a.rs", text), 0);
        assert_eq!(findings("client/tests/a.rs", text), 0);
    }
}
