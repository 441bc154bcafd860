//! The values in `vectors/` against this implementation.
//!
//! Each test computes from a case's inputs and compares with its outputs; a
//! `bad_*` case has to be refused for the very reason that it names.

mod agreement;
mod bad_inputs;
mod bad_proofs;
mod case;
mod digests;
mod elements;
mod messages;
mod trees;

use std::collections::BTreeSet;

#[test]
fn every_file_of_vectors_is_checked_by_some_test() {
    let sources = [
        include_str!("agreement.rs"),
        include_str!("bad_inputs.rs"),
        include_str!("bad_proofs.rs"),
        include_str!("digests.rs"),
        include_str!("elements.rs"),
        include_str!("messages.rs"),
        include_str!("trees.rs"),
    ]
    .concat();
    let files: BTreeSet<_> = std::fs::read_dir(case::FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    assert!(files.len() >= 25, "{files:?}");
    for file in files {
        assert!(sources.contains(&format!("cases(\"{file}\")")), "{file}");
    }
}
