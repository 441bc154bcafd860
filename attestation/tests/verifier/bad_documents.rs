//! `vectors/attestation/`: each document gets the answer that the index names, every row of the list
//! has its cases, and every code of a rejection has one, or a reason why no document reaches it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sealsum_attestation::{
    AppraisalPolicy, Audit, ExpectedNonce, ExpectedUserData, JudgedAt, PolicyFile, Question,
};
use sealsum_protocol::{RoundBinding, UnixMillis, canonical};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/attestation")
}

fn index() -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("index.json")).unwrap()).unwrap()
}

fn cases() -> Vec<Value> {
    index()["cases"].as_array().unwrap().clone()
}

fn text<'v>(case: &'v Value, key: &str) -> &'v str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key}: {case}"))
}

fn bytes(case: &Value, key: &str) -> Option<Vec<u8>> {
    case[key]
        .as_str()
        .map(|digits| hex::decode(digits).unwrap())
}

fn policy(name: &str) -> AppraisalPolicy {
    let path = folder().join(name);
    let file = PolicyFile::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let root = file.root_path().map(|root| path.with_file_name(root));
    let pem = root.map(|root| std::fs::read_to_string(root).unwrap());
    file.into_policy(pem.as_deref()).unwrap()
}

fn verdict(document: &[u8], case: &Value) -> &'static str {
    let nonce = bytes(case, "nonce");
    let user_data = bytes(case, "user_data");
    let binding =
        bytes(case, "binding").map(|encoded| canonical::decode::<RoundBinding>(&encoded).unwrap());
    let question = Question {
        at: JudgedAt::Time(UnixMillis(case["at_ms"].as_u64().unwrap())),
        endorsement: None,
        nonce: nonce.as_deref().map(ExpectedNonce::Whole),
        user_data: match (&user_data, &binding) {
            (Some(whole), None) => Some(ExpectedUserData::Whole(whole)),
            (None, binding) => binding.as_ref().map(ExpectedUserData::Binding),
            (Some(_), Some(_)) => panic!("both user_data and binding: {case}"),
        },
    };
    let audit = Audit::of(document, &policy(text(case, "policy")), &question);
    audit
        .verdict()
        .map_or_else(|refused| refused.code(), |_| "appraised")
}

#[test]
fn every_document_gets_the_answer_that_the_index_names() {
    let mut wrong = Vec::new();
    for case in cases() {
        let document = std::fs::read(folder().join(text(&case, "file"))).unwrap();
        let found = verdict(&document, &case);
        if found != text(&case, "expect") {
            wrong.push(format!("{}: {found}, not {}", case["name"], case["expect"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_listed_document_is_refused_when_it_is_cut_anywhere() {
    let sweeps = index()["truncated"].as_array().unwrap().clone();
    assert_eq!(sweeps.len(), 12);
    for sweep in sweeps {
        let document = std::fs::read(folder().join(text(&sweep, "file"))).unwrap();
        let policy = policy(text(&sweep, "policy"));
        let question = Question {
            at: JudgedAt::Time(UnixMillis(sweep["at_ms"].as_u64().unwrap())),
            endorsement: None,
            nonce: None,
            user_data: None,
        };
        for length in 1..document.len() {
            let audit = Audit::of(&document[..length], &policy, &question);
            assert_eq!(audit.verdict().unwrap_err().code(), "envelope-truncated");
        }
    }
}

#[test]
fn every_row_of_the_list_has_a_case_and_every_case_a_row() {
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let rows: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(row, _)| row.to_owned())
        .collect();
    let mut covered: BTreeSet<_> = cases().iter().map(|c| text(c, "row").to_owned()).collect();
    covered.insert("truncated".to_owned());
    assert_eq!(rows, covered);
}

#[test]
fn every_code_is_reached_by_a_document_or_can_not_be() {
    let reached: BTreeSet<_> = cases()
        .iter()
        .map(|c| text(c, "expect").to_owned())
        .collect();
    let mut codes = crate::documentation::codes_of_the_source();
    // The sweep's.
    assert!(codes.remove("envelope-truncated"));
    codes.insert("appraised".to_owned());
    for (code, reason) in UNREACHABLE {
        assert!(codes.remove(*code), "{code} is no code; {reason}");
        assert!(!reached.contains(*code), "{code} is reached; {reason}");
    }
    assert_eq!(reached, codes);
}

#[test]
fn names_are_given_once_and_no_file_is_left_over() {
    let names: BTreeSet<_> = cases().iter().map(|c| text(c, "name").to_owned()).collect();
    assert_eq!(names.len(), cases().len());
    let listed: BTreeSet<_> = cases()
        .iter()
        .filter_map(|c| {
            text(c, "file")
                .strip_prefix("documents/")
                .map(str::to_owned)
        })
        .collect();
    let present: BTreeSet<_> = std::fs::read_dir(folder().join("documents"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(listed, present);
}

/// Codes that no document alone can reach, and why.
const UNREACHABLE: &[(&str, &str)] = &[
    ("envelope-not-utf8", "the envelope has no text"),
    (
        "chain-empty",
        "a cabundle without entries is refused as a field before",
    ),
    ("another-time", "a mistake of the caller's"),
    ("another-root", "a mistake of the caller's"),
    (
        "production-under-mock",
        "decided by a policy for AWS's debug enclaves; tests/verifier/appraisal.rs",
    ),
    (
        "nonce-path",
        "the path is the offer's, not the document's; tests/verifier/freshness.rs",
    ),
    (
        "endorsement-malformed",
        "an endorsement's; tests/verifier/endorsed.rs",
    ),
    (
        "unknown-publisher",
        "an endorsement's; tests/verifier/endorsed.rs",
    ),
    (
        "endorsement-signature",
        "an endorsement's; tests/verifier/endorsed.rs",
    ),
    (
        "endorsement-revoked",
        "an endorsement's; tests/verifier/endorsed.rs",
    ),
    (
        "endorsement-too-old",
        "an endorsement's; tests/verifier/endorsed.rs",
    ),
    (
        "endorsement-expired",
        "an endorsement's; tests/verifier/endorsed.rs",
    ),
];
