//! Points 4 to 9 of the checklist: what must be true of whatever was accepted.

use std::cell::RefCell;
use std::collections::HashSet;

use p384::ecdsa::Signature;
use p384::ecdsa::signature::Verifier as _;
use sealsum_attestation::{AppraisalPolicy, JudgedAt};
use sealsum_forge::{PROTECTED, cbor};
use sealsum_protocol::UnixMillis;
use sha2::{Digest as _, Sha256};

use super::Document;
use super::certificate::Certificate;

/// What was asked of a document that was accepted.
pub(crate) struct Demand<'d> {
    pub(crate) policy: &'d AppraisalPolicy,
    pub(crate) at: JudgedAt,
    pub(crate) nonce: Option<&'d [u8]>,
    pub(crate) user_data: Option<&'d [u8]>,
}

/// The document, which is one that the demand's terms let through.
///
/// # Panics
/// If it is not.
pub(crate) fn accepted(bytes: &[u8], demand: &Demand<'_>) -> Document {
    let document = Document::read(bytes).expect("accepted, and no document");
    let policy = demand.policy;
    let millis = |duration: core::time::Duration| u64::try_from(duration.as_millis()).unwrap();
    let signed_at = document.timestamp;
    let at = match demand.at {
        JudgedAt::ItsOwnTime => signed_at,
        JudgedAt::Time(UnixMillis(now)) => {
            let ahead = signed_at.saturating_sub(now);
            assert!(
                ahead <= millis(policy.clock_skew()),
                "accepted from the future"
            );
            // A clock behind the document is read as the document's time.
            let at = now.max(signed_at);
            assert!(
                at - signed_at <= millis(policy.max_age()),
                "accepted too old"
            );
            at
        }
    };
    authentic(&document, policy.root().der(), at);
    assert!(
        is_accepted_image(&document, policy),
        "another image accepted"
    );
    if demand.nonce.is_some() {
        assert_eq!(document.nonce.as_deref(), demand.nonce);
    }
    if demand.user_data.is_some() {
        assert_eq!(document.user_data.as_deref(), demand.user_data);
    }
    document
}

/// Every certificate leads to the root, is valid at `at` and may do what it does, and the leaf
/// signed the document.
///
/// # Panics
/// If not.
pub(crate) fn authentic(document: &Document, root: &[u8], at: u64) {
    assert_eq!(document.cabundle[0], root, "accepted under another root");
    let chain: Vec<_> = document
        .cabundle
        .iter()
        .chain([&document.certificate])
        .map(|der| Certificate::read(der).expect("accepted a certificate of another form"))
        .collect();
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    for (place, certificate) in chain.iter().enumerate() {
        let [not_before, not_after] = certificate.validity;
        assert!(
            (not_before..=not_after).contains(&at),
            "{place} is not valid"
        );
        let (authority, path_length) = certificate.constraints;
        // Authorities between this one and the leaf.
        if let Some(below) = (chain.len() - 1).checked_sub(place + 1) {
            assert!(authority, "{place} is no authority");
            assert!(path_length.is_none_or(|most| below <= usize::from(most)));
            assert_ne!(certificate.usage & KEY_CERT_SIGN, 0, "{place} signs none");
            let mut above = chain[..place].iter();
            assert!(above.all(|other| other.subject != certificate.subject));
        } else {
            assert!(!authority && path_length.is_none(), "the leaf is one");
            assert_eq!(certificate.usage & KEY_CERT_SIGN, 0);
            assert_ne!(certificate.usage & DIGITAL_SIGNATURE, 0);
        }
    }
    for (place, pair) in chain.windows(2).enumerate() {
        assert_eq!(pair[0].subject, pair[1].issuer);
        let whole = [
            document.cabundle.as_slice(),
            core::slice::from_ref(&document.certificate),
        ];
        let whole = whole.concat();
        let what = [&whole[place][..], &whole[place + 1]].concat();
        once(&what, || {
            assert!(pair[1].is_signed_by(&pair[0]), "{place} did not sign");
        });
    }
    let structure = cbor::array(&[
        cbor::text("Signature1"),
        cbor::bytes(PROTECTED),
        cbor::bytes(&[]),
        cbor::bytes(&document.payload),
    ]);
    let what = [&structure[..], &document.signature].concat();
    once(&what, || {
        let key = chain[chain.len() - 1].key().expect("a point of the curve");
        let signature = Signature::from_slice(&document.signature).expect("two scalars");
        assert!(key.verify(&structure, &signature).is_ok(), "not signed");
    });
}

/// 6, 7: what runs is one of the policy's images, outside debug mode or as a mock.
fn is_accepted_image(document: &Document, policy: &AppraisalPolicy) -> bool {
    let debug = document.is_debug();
    if document.zero_register().is_some() && !(policy.allows_debug() && policy.trust().is_mock()) {
        return false;
    }
    if policy.trust().is_mock() && policy.root().is_aws_nitro() && !debug {
        return false;
    }
    policy.measurements().iter().any(|image| {
        image
            .expected()
            .filter(|(index, _)| !debug || index.value() > 2)
            .all(|(index, pcr)| {
                document.pcrs.get(&u64::from(index.value())) == Some(pcr.as_bytes())
            })
    })
}

/// Runs `check`, which passes or panics, once for each `what`: signatures are slow here.
fn once(what: &[u8], check: impl FnOnce()) {
    let digest: [u8; 32] = Sha256::digest(what).into();
    if HELD.with_borrow(|held| held.contains(&digest)) {
        return;
    }
    check();
    HELD.with_borrow_mut(|held| {
        if held.len() == MOST_HELD {
            held.clear();
        }
        held.insert(digest);
    });
}

thread_local! {
    static HELD: RefCell<HashSet<[u8; 32]>> = RefCell::default();
}

const MOST_HELD: usize = 100_000;
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_CERT_SIGN: u8 = 0x04;
