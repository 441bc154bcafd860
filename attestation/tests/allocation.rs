//! What one document can make the verifier allocate, measured: the bounds that
//! `UnverifiedDocument::parse` and `docs/ATTESTATION.md` state.

use std::path::Path;

use allocation_counter::measure;
use sealsum_attestation::{
    AppraisalPolicy, Audit, JudgedAt, MeasurementEntry, PolicyFile, Question, UnverifiedDocument,
};
use sealsum_forge::{Document, NOW_MS, POLICIES, Pki, hostile, root_pem};
use sealsum_protocol::UnixMillis;

#[test]
fn no_input_of_64_kib_makes_the_verifier_allocate_more_than_is_stated() {
    let policies = [made(), aws()];
    let (mut held, mut in_all, mut by_an_audit) = (0, 0, 0);
    let mut codes = Vec::new();
    for (name, input) in inputs() {
        assert!(input.len() <= hostile::MAX_INPUT, "{name}");
        for policy in &policies {
            let mut code = "";
            let bare = measure(|| code = authenticate(&input, policy));
            let in_words = measure(|| assert!(!audit(&input, policy).is_empty()));
            codes.push(code);
            held = bare.bytes_max.max(held);
            in_all = bare.bytes_total.max(in_all);
            by_an_audit = in_words.bytes_max.max(by_an_audit);
        }
    }
    println!("held {held}, in all {in_all}, held by an audit {by_an_audit}");
    assert!(held <= HELD, "{held}");
    assert!(in_all <= IN_ALL, "{in_all}");
    assert!(by_an_audit <= HELD_BY_AN_AUDIT, "{by_an_audit}");
    // What was measured reached the bounds' neighbourhood, and not because all was refused at once.
    assert!(held > HELD / 3, "{held}");
    for code in [
        "authentic",
        "chain-signature",
        "certificate-malformed",
        "certificate-extension-duplicate",
        "payload-truncated",
        "payload-missing-field",
        "envelope-array-length",
    ] {
        assert!(codes.contains(&code), "{code}");
    }
}

#[test]
fn a_length_that_is_only_declared_allocates_nothing() {
    for (name, input) in hostile::inputs() {
        if name.starts_with("huge") || name.starts_with("nested") {
            let work = measure(|| assert!(UnverifiedDocument::parse(&input).is_err()));
            // The list of fields that came so far.
            assert!(work.bytes_total <= 16, "{name}: {}", work.bytes_total);
        }
    }
}

fn inputs() -> Vec<(String, Vec<u8>)> {
    let mut inputs = hostile::inputs();
    inputs.push(("tall".to_owned(), Document::under(&Pki::tall(6)).bytes()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "cbor")
        {
            inputs.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    inputs
}

fn authenticate(input: &[u8], policy: &AppraisalPolicy) -> &'static str {
    UnverifiedDocument::parse(input)
        .and_then(|document| {
            let at = document.timestamp();
            document.authenticate(policy, at)
        })
        .map_or_else(|refused| refused.code(), |_| "authentic")
}

/// Every point, and the words in which a refusal is told.
fn audit(input: &[u8], policy: &AppraisalPolicy) -> String {
    let question = Question {
        at: JudgedAt::Time(UnixMillis(NOW_MS)),
        endorsement: None,
        nonce: None,
        user_data: None,
    };
    let audit = Audit::of(input, policy, &question);
    format!("{:?}", audit.verdict())
}

fn made() -> AppraisalPolicy {
    let file = PolicyFile::parse(POLICIES[0].1).unwrap();
    file.into_policy(Some(&root_pem())).unwrap()
}

/// AWS's root, and an image of nobody's.
fn aws() -> AppraisalPolicy {
    PolicyFile {
        root: "aws-nitro".to_owned(),
        mock: false,
        max_age_seconds: 300,
        clock_skew_seconds: 10,
        allow_debug: false,
        measurements: vec![MeasurementEntry {
            label: "none".to_owned(),
            pcr0: "11".repeat(48),
            pcr1: "22".repeat(48),
            pcr2: "33".repeat(48),
            pcr3: None,
            pcr4: None,
            pcr8: None,
        }],
        publishers: Vec::new(),
    }
    .into_policy(None)
    .unwrap()
}

/// Bytes held at one moment by parsing and authenticating, beyond the input.
const HELD: u64 = 128 * 1024;

/// Bytes asked for by them in all, given back or not.
const IN_ALL: u64 = 512 * 1024;

/// Bytes held at one moment by an audit, which keeps the document and all its words.
const HELD_BY_AN_AUDIT: u64 = 192 * 1024;
