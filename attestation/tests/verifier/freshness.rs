//! Checklist 8: evidence answers this client's challenge, and is neither old nor from the future.

use core::time::Duration;

use sealsum_attestation::appraise_offer;
use sealsum_protocol::{ClientNonce, NoncePath, UnixMillis, nonce};

use crate::evidence::{Mock, NONCE, NOW, code, round};

#[test]
fn the_document_must_answer_this_challenge_as_a_whole() {
    let mock = Mock::boot();
    let with_nonce = |nonce: Option<Vec<u8>>| mock.appraise(&mock.offer_with(|p| p.nonce = nonce));
    let own = NONCE.as_bytes().to_vec();
    assert_eq!(code(with_nonce(Some(own.clone()))), "appraised");
    assert_eq!(code(with_nonce(None)), "no-nonce");
    assert_eq!(code(with_nonce(Some(Vec::new()))), "wrong-nonce");
    assert_eq!(code(with_nonce(Some(own[..31].to_vec()))), "wrong-nonce");
    assert_eq!(
        code(with_nonce(Some([own.clone(), vec![0]].concat()))),
        "wrong-nonce"
    );
    assert_eq!(code(with_nonce(Some(vec![1; 32]))), "wrong-nonce");
}

#[test]
fn evidence_for_an_earlier_challenge_is_a_replay() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    assert_eq!(code(mock.appraise(&offer)), "appraised");
    let next = ClientNonce::new([0x4f; 32]);
    assert_eq!(
        code(appraise_offer(&offer, &mock.policy(), NOW, &next)),
        "wrong-nonce"
    );
}

#[test]
fn one_document_serves_many_clients_along_their_paths_only() {
    let mock = Mock::boot();
    let nonces: Vec<_> = (0..5).map(|i| ClientNonce::new([i; 32])).collect();
    let (root, paths) = nonce::gather(&nonces);
    let mut offer = mock.offer_with(|payload| payload.nonce = Some(root.to_vec()));
    for (own, path) in nonces.iter().zip(&paths) {
        offer.nonce_path = path.clone();
        assert_eq!(
            code(appraise_offer(&offer, &mock.policy(), NOW, own)),
            "appraised"
        );
        let stranger = ClientNonce::new([99; 32]);
        assert_eq!(
            code(appraise_offer(&offer, &mock.policy(), NOW, &stranger)),
            "wrong-nonce"
        );
    }
    offer.nonce_path = NoncePath {
        index: 5,
        ..paths[0].clone()
    };
    assert_eq!(
        code(appraise_offer(&offer, &mock.policy(), NOW, &nonces[0])),
        "nonce-path"
    );
}

#[test]
fn evidence_is_too_old_although_its_leaf_is_valid() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    let at = |now| {
        code(appraise_offer(
            &offer,
            &mock.policy(),
            UnixMillis(now),
            &NONCE,
        ))
    };
    assert_eq!(at(NOW.0 + 300_000), "appraised");
    assert_eq!(at(NOW.0 + 300_001), "too-old");
    assert_eq!(at(NOW.0 + 2 * 3_600_000), "too-old");
    assert_eq!(at(NOW.0 + 4 * 3_600_000), "certificate-expired");
}

#[test]
fn evidence_from_the_future_is_refused_beyond_the_skew() {
    let mock = Mock::boot();
    let ahead = |millis| mock.offer_with(|payload| payload.timestamp_ms = NOW.0 + millis);
    assert_eq!(code(mock.appraise(&ahead(10_000))), "appraised");
    assert_eq!(code(mock.appraise(&ahead(10_001))), "from-the-future");
}

#[test]
fn a_clock_ten_minutes_off_is_named_as_the_likely_cause() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    for now in [NOW.0 - 600_000, NOW.0 + 600_000] {
        let refused = appraise_offer(&offer, &mock.policy(), UnixMillis(now), &NONCE).unwrap_err();
        let message = refused.to_string();
        assert!(message.contains("check this machine's clock"), "{message}");
    }
}

#[test]
fn freshness_ends_with_the_policys_age_and_begins_within_the_skew() {
    let mock = Mock::boot();
    let enclave = mock.appraise(&mock.offer(round().0)).unwrap();
    let skew = Duration::from_secs(10);
    assert_eq!(enclave.expires_at(), UnixMillis(NOW.0 + 300_000));
    assert!(enclave.is_fresh(NOW, skew));
    assert!(enclave.is_fresh(enclave.expires_at(), skew));
    assert!(!enclave.is_fresh(enclave.expires_at().plus(1), skew));
    assert!(enclave.is_fresh(UnixMillis(NOW.0 - 10_000), skew));
    assert!(!enclave.is_fresh(UnixMillis(NOW.0 - 10_001), skew));
}

/// The leaf is 3 s older than the document: without the allowance, a clock 4 s behind would find
/// it not yet valid and the honest enclave refused.
#[test]
fn a_clock_behind_a_fresh_leaf_is_forgiven_within_the_skew_only() {
    let mock = Mock::boot();
    let offer = mock.offer(round().0);
    let behind = |millis| {
        let now = UnixMillis(NOW.0 - millis);
        code(appraise_offer(&offer, &mock.policy(), now, &NONCE))
    };
    assert_eq!(behind(4_000), "appraised");
    assert_eq!(behind(10_000), "appraised");
    assert_eq!(behind(10_001), "certificate-not-yet-valid");
}
