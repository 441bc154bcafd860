//! No part of a real document can be cut off or changed: every truncation and every changed byte is
//! refused, by the check that guards that byte.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use sealsum_attestation::{
    AppraisalPolicy, BadChain, ChainCache, ChainPosition, Rejection, UnverifiedDocument,
};

use crate::corpus::{RealDocument, aws_policy, documents};

static DOCUMENTS: LazyLock<Vec<RealDocument>> = LazyLock::new(|| {
    documents()
        .into_iter()
        .filter(|document| !document.is_broken())
        .collect()
});
static POLICY: LazyLock<AppraisalPolicy> = LazyLock::new(aws_policy);

fn authenticate(bytes: &[u8], document: &RealDocument) -> Result<(), Rejection> {
    authenticate_with(bytes, document, &mut ChainCache::new())
}

/// Signatures of a chain that `cache` knows are spared; a changed one is another chain.
fn authenticate_with(
    bytes: &[u8],
    document: &RealDocument,
    cache: &mut ChainCache,
) -> Result<(), Rejection> {
    UnverifiedDocument::parse(bytes)?
        .authenticate_with(&POLICY, document.timestamp(), cache)
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

/// Every byte of one document, with its lowest bit, its highest bit, all bits and some bits flipped.
#[test]
fn every_byte_of_one_document_is_under_its_signature() {
    let document = &DOCUMENTS[0];
    let parts = Parts::of(document);
    let changes: Vec<_> = (0..document.bytes.len())
        .flat_map(|position| {
            let some = 1 + (seeded(0, position) % 254) as u8;
            [0x01, 0x80, 0xff, some].map(|change| (position, change))
        })
        .collect();
    let (even, odd): (Vec<_>, Vec<_>) = changes.into_iter().partition(|(at, _)| at % 2 == 0);
    let found = std::thread::scope(|scope| {
        let halves = [even, odd].map(|half| scope.spawn(|| parts.judge(document, half)));
        halves.map(|half| half.join().unwrap())
    });
    let mut kinds = BTreeMap::new();
    for (code, count) in found.into_iter().flatten() {
        *kinds.entry(code).or_insert(0) += count;
    }
    assert_eq!(kinds.values().sum::<usize>(), document.bytes.len() * 4);
    for code in KINDS {
        assert!(kinds.contains_key(code), "{code} not in {kinds:?}");
    }
}

/// Sampled, always the same samples.
#[test]
fn changed_bytes_of_every_document_are_refused_by_the_check_that_guards_them() {
    for (number, document) in DOCUMENTS.iter().enumerate() {
        let parts = Parts::of(document);
        let samples = (0..64).map(|sample| {
            let random = seeded(number + 1, sample);
            let position = random as usize % document.bytes.len();
            (position, 1 + (random >> 32) as u8 % 255)
        });
        let kinds = parts.judge(document, samples.collect());
        assert!(kinds.len() >= 3, "{}: {kinds:?}", document.name);
    }
}

/// ECDSA's own second form, (r, n - s): not a change of one byte, and a valid signature.
#[test]
fn the_other_form_of_the_same_signature_is_accepted_and_no_other_change_of_s() {
    for document in DOCUMENTS.iter() {
        let at = document.bytes.len() - 48;
        let mut other = document.bytes.clone();
        negate(&mut other[at..]);
        assert_ne!(other, document.bytes);
        assert_eq!(authenticate(&other, document), Ok(()), "{}", document.name);
        // One more or less is no signature.
        other[document.bytes.len() - 1] ^= 1;
        let refused = authenticate(&other, document).unwrap_err();
        assert_eq!(refused.code(), "document-signature", "{}", document.name);
        other[document.bytes.len() - 1] ^= 1;
        negate(&mut other[at..]);
        assert_eq!(other, document.bytes);
    }
}

/// Where a document has what.
struct Parts {
    /// Root first, leaf last.
    certificates: Vec<Range<usize>>,
    payload: Range<usize>,
    signature: Range<usize>,
}

impl Parts {
    fn of(document: &RealDocument) -> Self {
        let parsed = UnverifiedDocument::parse(&document.bytes).unwrap();
        let place = |part: &[u8]| {
            let start = document.bytes.windows(part.len()).position(|at| at == part);
            let start = start.unwrap();
            start..start + part.len()
        };
        let authorities = parsed.cabundle().iter().map(|der| place(der));
        let leaf = place(parsed.certificate());
        let end = document.bytes.len();
        Self {
            certificates: authorities.chain([leaf]).collect(),
            // Array head, protected header, map head, string head; then string head and signature.
            payload: 10..end - 98,
            signature: end - 96..end,
        }
    }

    /// Refusals by code. Each must be one that a change at its place may have.
    fn judge(
        &self,
        document: &RealDocument,
        changes: Vec<(usize, u8)>,
    ) -> BTreeMap<&'static str, usize> {
        let mut cache = ChainCache::new();
        authenticate_with(&document.bytes, document, &mut cache).unwrap();
        let mut kinds = BTreeMap::new();
        let mut bytes = document.bytes.clone();
        for (position, change) in changes {
            bytes[position] ^= change;
            let refused = authenticate_with(&bytes, document, &mut cache)
                .expect_err(&format!("{position} changed by {change:#x} is accepted"));
            assert!(
                self.may_refuse(position, &refused),
                "{}: {position} changed by {change:#x}: {refused:?}",
                document.name
            );
            *kinds.entry(refused.code()).or_insert(0) += 1;
            bytes[position] ^= change;
        }
        assert_eq!(bytes, document.bytes);
        kinds
    }

    fn may_refuse(&self, position: usize, refused: &Rejection) -> bool {
        let place = self
            .certificates
            .iter()
            .position(|range| range.contains(&position));
        let leaf = self.certificates.len() - 1;
        match (place, refused) {
            (Some(0), Rejection::Chain(BadChain::RootNotPinned { .. })) => true,
            (Some(0), _) => false,
            // webpki reads DER more strictly, and does not say where.
            (Some(_), Rejection::Chain(BadChain::Path(_))) => true,
            // By itself, or as another's issuer.
            (Some(changed), Rejection::Chain(bad)) => {
                at(bad, leaf).is_some_and(|refused| refused == changed || refused == changed + 1)
            }
            (Some(_), _) => false,
            (None, Rejection::Signature) => {
                self.signature.contains(&position) || self.payload.contains(&position)
            }
            (None, Rejection::Payload(_)) => self.payload.contains(&position),
            (None, Rejection::Envelope(_)) => !self.signature.contains(&position),
            (None, _) => false,
        }
    }
}

/// The place in the chain that a refusal names, 0 for the root.
fn at(bad: &BadChain, leaf: usize) -> Option<usize> {
    let (BadChain::Certificate { position, .. }
    | BadChain::BrokenLink { position }
    | BadChain::RepeatedName { position }
    | BadChain::Signature { position }) = bad
    else {
        return None;
    };
    match position {
        ChainPosition::Root => Some(0),
        ChainPosition::Intermediate { number, .. } => Some(*number),
        ChainPosition::Leaf => Some(leaf),
        _ => None,
    }
}

/// n - s, for s in place.
fn negate(scalar: &mut [u8]) {
    let order = hex::decode(ORDER).unwrap();
    let mut borrow = 0;
    for (digit, whole) in scalar.iter_mut().zip(order).rev() {
        let difference = 256 + i16::from(whole) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 256);
        *digit = difference.to_le_bytes()[0];
    }
}

/// The same numbers each time, as good as random (splitmix64).
fn seeded(seed: usize, number: usize) -> u64 {
    let mut mixed = ((seed as u64) << 32 | number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The order of P-384 (SEC 2, section 2.5.1).
const ORDER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

/// What single changed bytes of one document run into, among others.
const KINDS: [&str; 24] = [
    "envelope-array-length",
    "envelope-protected",
    "envelope-unprotected",
    "envelope-truncated",
    "payload-unknown-field",
    "payload-wrong-type",
    "payload-truncated",
    "payload-digest",
    "payload-duplicate-pcr",
    "payload-pcr-length",
    "payload-not-utf8",
    "root-not-pinned",
    "certificate-malformed",
    "certificate-version",
    "certificate-signature-algorithm",
    "certificate-key-type",
    "certificate-key-point",
    "certificate-extension-critical",
    "certificate-no-key-usage",
    "certificate-not-an-authority",
    "certificate-not-yet-valid",
    "chain-broken-link",
    "chain-signature",
    "document-signature",
];
