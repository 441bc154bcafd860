//! Every case: one document, what is asked of it, and the answer that it must get.
//!
//! `row` is a row of the list in `vectors/attestation/README.md`, `expect` is `appraised` or a
//! rejection's code. Each case is wrong in one point and signed all the same, so that a verifier
//! which misses the point accepts it.

mod accepted;
mod certificates;
mod chain;
mod envelope;
mod fields;
mod payload;
mod policy;

use crate::pki::Pki;
use crate::{NONCE, NOW_MS, USER_DATA};

/// One document and what must come of it.
pub struct Case {
    /// Of all cases', one: letters, digits and `-`.
    pub name: String,
    /// What it belongs to.
    pub row: &'static str,
    /// As it is sent.
    pub document: Vec<u8>,
    /// What is asked of it.
    pub question: Question,
    /// `appraised`, or the rejection's code.
    pub expect: &'static str,
}

/// What is asked of a document.
#[derive(Clone)]
pub struct Question {
    /// The time of judgement, in Unix ms.
    pub at_ms: u64,
    /// The name of one of [`POLICIES`].
    pub policy: &'static str,
    /// The document's whole nonce.
    pub nonce: Option<Vec<u8>>,
    /// The document's whole user_data.
    pub user_data: Option<Vec<u8>>,
    /// A round's binding, whose id is the document's user_data; canonical CBOR.
    pub binding: Option<Vec<u8>>,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            at_ms: NOW_MS,
            policy: "made",
            nonce: Some(NONCE.to_vec()),
            user_data: Some(USER_DATA.to_vec()),
            binding: None,
        }
    }
}

/// All cases, always in the same order.
pub fn all() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    accepted::add(&mut cases);
    envelope::add(&mut cases);
    payload::add(&mut cases);
    fields::add(&mut cases);
    chain::add(&mut cases);
    certificates::add(&mut cases);
    policy::add(&mut cases);
    cases.0
}

struct Cases(Vec<Case>);

impl Cases {
    /// A case that is asked the usual question.
    fn add(&mut self, row: &'static str, what: &str, expect: &'static str, document: Vec<u8>) {
        self.ask(row, what, expect, document, Question::default());
    }

    fn ask(
        &mut self,
        row: &'static str,
        what: &str,
        expect: &'static str,
        document: Vec<u8>,
        question: Question,
    ) {
        let name = if what.is_empty() {
            row.to_owned()
        } else {
            format!("{row}-{what}")
        };
        assert!(
            self.0.iter().all(|case| case.name != name),
            "two cases {name}"
        );
        self.0.push(Case {
            name,
            row,
            document,
            question,
            expect,
        });
    }
}

/// The made root, as the policies name it.
pub fn root_pem() -> String {
    let root = Pki::sound().issue().swap_remove(0);
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", root), config)
}

/// Name and text of each policy for made documents.
pub const POLICIES: &[(&str, &str)] = &[
    ("made", include_str!("policies/made.toml")),
    ("made-debug", include_str!("policies/made-debug.toml")),
    ("made-six", include_str!("policies/made-six.toml")),
    ("made-two", include_str!("policies/made-two.toml")),
    (
        "made-publisher",
        include_str!("policies/made-publisher.toml"),
    ),
    ("made-no-skew", include_str!("policies/made-no-skew.toml")),
];
