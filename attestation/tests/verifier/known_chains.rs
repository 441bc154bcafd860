//! Checklist 4 with a cache: only signatures above the leaf are spared, and only those that were
//! verified under the same root.

use sealsum_attestation::{AppraisalPolicy, ChainCache, PolicyFile, UnverifiedDocument};
use sealsum_forge::pki::{INSTANCE, LEAF, Pki, ROOT, ZONAL};
use sealsum_forge::{Document, NOW_MS, POLICIES, root_pem};
use sealsum_protocol::UnixMillis;

fn policy() -> AppraisalPolicy {
    let file = PolicyFile::parse(POLICIES[0].1).unwrap();
    file.into_policy(Some(&root_pem())).unwrap()
}

fn code(document: &[u8], at_ms: u64, cache: &mut ChainCache) -> &'static str {
    UnverifiedDocument::parse(document)
        .and_then(|parsed| parsed.authenticate_with(&policy(), UnixMillis(at_ms), cache))
        .map_or_else(|refused| refused.code(), |_| "authentic")
}

/// A cache that knows the sound chain.
fn warm() -> ChainCache {
    let mut cache = ChainCache::new();
    let document = Document::sound().bytes();
    assert_eq!(code(&document, NOW_MS, &mut cache), "authentic");
    assert_eq!(code(&document, NOW_MS, &mut cache), "authentic");
    cache
}

#[test]
fn a_known_chain_is_judged_at_each_time_anew() {
    let mut cache = warm();
    let document = Document::sound().bytes();
    let late = NOW_MS + 86_400_000;
    assert_eq!(code(&document, late, &mut cache), "certificate-expired");
    let mut pki = Pki::sound();
    pki.certificates[LEAF].validity = ["260101000000Z", "260110000000Z"];
    let long_leaf = Document::under(&pki).bytes();
    assert_eq!(code(&long_leaf, NOW_MS, &mut cache), "authentic");
    // The instance's certificate has expired, which the cache knew to be good.
    assert_eq!(code(&long_leaf, late, &mut cache), "certificate-expired");
}

#[test]
fn a_leaf_under_a_known_chain_is_still_verified() {
    let mut cache = warm();
    let mut pki = Pki::sound();
    pki.certificates[LEAF].signer = LEAF;
    let forged = Document::under(&pki).bytes();
    assert_eq!(code(&forged, NOW_MS, &mut cache), "chain-signature");
    pki.certificates[LEAF].signer = ZONAL;
    let forged = Document::under(&pki).bytes();
    assert_eq!(code(&forged, NOW_MS, &mut cache), "chain-signature");
}

#[test]
fn another_upper_chain_is_not_known_however_like_it_is() {
    let mut cache = warm();
    let other = Pki::look_alike();
    let mut chain = other.issue();
    chain[ROOT] = Pki::sound().issue()[ROOT].clone();
    let forged = Document::with_chain(&other, &chain).bytes();
    // Twice: a refusal is never remembered.
    assert_eq!(code(&forged, NOW_MS, &mut cache), "chain-signature");
    assert_eq!(code(&forged, NOW_MS, &mut cache), "chain-signature");
    let mut mixed = Pki::sound().issue();
    mixed[INSTANCE] = other.issue()[INSTANCE].clone();
    mixed[LEAF] = other.issue()[LEAF].clone();
    let forged = Document::with_chain(&other, &mixed).bytes();
    assert_eq!(code(&forged, NOW_MS, &mut cache), "chain-signature");
}
