//! No part of a real document can be cut off or changed: every truncation and every changed byte is
//! refused, and nothing makes the verifier panic.

use std::sync::LazyLock;

use crate::corpus::{RealDocument, aws_policy, documents};
use proptest::prelude::*;
use sealsum_attestation::{AppraisalPolicy, Rejection, UnverifiedDocument};

static DOCUMENTS: LazyLock<Vec<RealDocument>> = LazyLock::new(|| {
    documents()
        .into_iter()
        .filter(|document| !document.is_broken())
        .collect()
});
static POLICY: LazyLock<AppraisalPolicy> = LazyLock::new(aws_policy);

fn authenticate(bytes: &[u8], document: &RealDocument) -> Result<(), Rejection> {
    UnverifiedDocument::parse(bytes)?
        .authenticate(&POLICY, document.timestamp())
        .map(drop)
}

#[test]
fn a_document_cut_at_any_byte_is_refused_as_cut() {
    for document in DOCUMENTS.iter() {
        for length in 0..document.bytes.len() {
            let refused = authenticate(&document.bytes[..length], document).unwrap_err();
            let expected = if length == 0 {
                "envelope-empty"
            } else {
                "envelope-truncated"
            };
            assert_eq!(refused.code(), expected, "{} at {length}", document.name);
        }
        let longer = [document.bytes.as_slice(), &[0]].concat();
        let refused = authenticate(&longer, document).unwrap_err();
        assert_eq!(refused.code(), "envelope-trailing-bytes");
    }
}

#[test]
fn every_byte_of_one_document_is_under_its_signature() {
    let document = &DOCUMENTS[0];
    for position in 0..document.bytes.len() {
        let mut changed = document.bytes.clone();
        changed[position] ^= 1 << (position % 8);
        assert!(authenticate(&changed, document).is_err(), "byte {position}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_changed_byte_is_refused_in_any_document(
        which in any::<prop::sample::Index>(),
        position in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let document = which.get(&DOCUMENTS);
        let mut changed = document.bytes.clone();
        changed[position.index(document.bytes.len())] ^= change;
        prop_assert!(authenticate(&changed, document).is_err());
    }

    #[test]
    fn bytes_of_any_kind_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(UnverifiedDocument::parse(&bytes).is_err());
    }

    #[test]
    fn a_document_with_a_piece_overwritten_never_panics(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        piece in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let document = which.get(&DOCUMENTS);
        let mut changed = document.bytes.clone();
        let start = at.index(changed.len());
        for (byte, new) in changed[start..].iter_mut().zip(&piece) {
            *byte = *new;
        }
        prop_assume!(changed != document.bytes);
        prop_assert!(authenticate(&changed, document).is_err());
    }
}
