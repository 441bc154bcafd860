//! `docs/ATTESTATION.md` lists each code that a refusal can have, and none that it can't.

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Strings in kebab case between `before` and `after`.
fn codes(text: &str, before: &str, after: char) -> BTreeSet<String> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split_once(after))
        .map(|(code, _)| code.to_owned())
        .filter(|code| {
            code.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
        .collect()
}

/// Every code that a refusal can have, as the source names them.
pub(crate) fn codes_of_the_source() -> BTreeSet<String> {
    let mut source = BTreeSet::new();
    for file in [
        "src/rejection.rs",
        "src/envelope.rs",
        "src/payload/bad_payload.rs",
        "src/chain/bad_chain.rs",
        "src/certificate/bad_certificate.rs",
        "src/endorsement.rs",
    ] {
        let text = read(file);
        let from = text.find("fn code(").unwrap();
        let until = text[from..].find("\n    }\n").unwrap();
        let found = codes(&text[from..from + until], "=> \"", '"');
        assert!(found.len() > 5, "{file}");
        source.extend(found);
    }
    source
}

#[test]
fn the_page_lists_every_code_of_the_source_and_no_other() {
    let page = read("../docs/ATTESTATION.md");
    let (_, table) = page.split_once("## Rejections").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    let listed: BTreeSet<_> = rows
        .iter()
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, codes_of_the_source());
}
