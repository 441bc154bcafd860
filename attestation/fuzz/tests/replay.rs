//! Every kept input and every seed through its target, with a plain compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sealsum_fuzz::{TARGETS, Target};

/// What became of the inputs, and of how many.
fn replayed(name: &str) -> BTreeMap<&'static str, usize> {
    let target: &Target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    inputs.extend(seeds.into_iter().map(|seed| (seed.name, seed.input)));
    inputs.sort();
    let mut became = BTreeMap::new();
    for (name, input) in inputs {
        // Shown if the target panics: the last one is the culprit.
        println!("{name}");
        *became.entry((target.body)(&input)).or_default() += 1;
    }
    became
}

#[test]
fn every_kept_document_is_read_as_the_rules_say() {
    let became = replayed("document");
    assert!(became.contains_key("document"), "{became:?}");
    assert!(became.len() >= 30, "{became:?}");
}

#[test]
fn every_kept_question_is_answered_as_the_rules_say() {
    let became = replayed("verifier");
    let reached = [
        "appraised",
        "document-signature",
        "chain-signature",
        "wrong-pcr",
        "too-old",
    ];
    assert!(
        reached.iter().all(|code| became.contains_key(code)),
        "{became:?}"
    );
    assert!(became.len() >= 60, "{became:?}");
}

#[test]
fn every_kept_change_is_signed_and_judged_as_the_rules_say() {
    let became = replayed("signed");
    assert!(became["appraised"] >= 20, "{became:?}");
    assert!(became.len() >= 35, "{became:?}");
}

#[test]
fn every_kept_image_is_read_as_the_rules_say() {
    let became = replayed("eif");
    assert!(became["image"] >= 3, "{became:?}");
    assert!(became.len() >= 10, "{became:?}");
}

#[test]
fn every_kept_change_to_an_image_is_read_as_the_rules_say() {
    let became = replayed("eif_made");
    assert!(became.contains_key("image"), "{became:?}");
    assert!(became.len() >= 10, "{became:?}");
}

#[test]
fn every_target_has_a_fuzzer_and_a_corpus_of_its_name() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| -> BTreeSet<String> {
        std::fs::read_dir(here.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    let targets: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}
