//! How much work a chain can cause, counted: signature verifications, and the bytes under them.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature};
use sealsum_forge::NOW_MS;
use sealsum_forge::pki::Pki;

use super::*;

/// ES384 that counts.
#[derive(Debug, Default)]
struct Counted {
    verifications: AtomicUsize,
    bytes: AtomicUsize,
}

impl SignatureVerificationAlgorithm for Counted {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.verifications.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(message.len(), Ordering::Relaxed);
        webpki::ring::ECDSA_P384_SHA384.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        webpki::ring::ECDSA_P384_SHA384.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        webpki::ring::ECDSA_P384_SHA384.signature_alg_id()
    }
}

/// The answer to a chain, root first and leaf last, and how many verifications it took.
fn judge(chain: &[Vec<u8>], cache: Option<&mut ChainCache>) -> (Result<(), BadChain>, usize) {
    let counted = Counted::default();
    let (leaf, cabundle) = chain.split_last().unwrap();
    let root = PinnedRoot::from_der(&Pki::sound().issue()[0]).unwrap();
    let at = UnixMillis(NOW_MS);
    let answer = verify_chain_by(&counted, &root, cabundle, leaf, at, cache).map(drop);
    let verifications = counted.verifications.into_inner();
    assert!(counted.bytes.into_inner() <= verifications * 1024);
    // What a client calls gives the same answer.
    assert_eq!(
        verify_chain(&root, cabundle, leaf, at, None).map(drop),
        answer
    );
    (answer, verifications)
}

#[test]
fn each_certificate_of_a_sound_chain_is_verified_once() {
    for intermediates in 0..=6 {
        let chain = Pki::tall(intermediates).issue();
        assert_eq!(judge(&chain, None), (Ok(()), intermediates + 1));
    }
}

#[test]
fn a_chain_of_more_than_six_intermediates_costs_no_verification() {
    let (answer, verifications) = judge(&Pki::tall(7).issue(), None);
    let expected = BadChain::Path(webpki::Error::MaximumPathDepthExceeded);
    assert_eq!((answer, verifications), (Err(expected), 0));
}

#[test]
fn a_wrong_signature_is_named_and_no_later_one_is_verified() {
    for intermediates in 0..=6 {
        for place in 1..=intermediates + 1 {
            let mut pki = Pki::tall(intermediates);
            // Its own key, where the one above is due.
            pki.certificates[place].signer = place;
            let position = if place > intermediates {
                ChainPosition::Leaf
            } else {
                ChainPosition::authority(place, intermediates)
            };
            let expected = Err(BadChain::Signature { position });
            assert_eq!(judge(&pki.issue(), None), (expected, place));
        }
    }
}

#[test]
fn authorities_of_one_name_are_refused_before_any_verification() {
    for intermediates in 1..=7 {
        let mut pki = Pki::tall(intermediates);
        for certificate in &mut pki.certificates {
            certificate.issuer = "root";
            certificate.subject = "root";
        }
        // No path of these verifies, and there are more than a thousand.
        for certificate in &mut pki.certificates[1..] {
            certificate.signer = intermediates + 1;
        }
        let position = ChainPosition::authority(1, intermediates);
        let expected = Err(BadChain::RepeatedName { position });
        assert_eq!(judge(&pki.issue(), None), (expected, 0));
    }
}

#[test]
fn a_name_is_compared_with_every_authority_above() {
    for (upper, lower) in [(0, 2), (0, 3), (1, 3)] {
        let mut pki = Pki::tall(3);
        let name = pki.certificates[upper].subject;
        pki.certificates[lower].subject = name;
        pki.certificates[lower + 1].issuer = name;
        let position = ChainPosition::authority(lower, 3);
        let expected = Err(BadChain::RepeatedName { position });
        assert_eq!(judge(&pki.issue(), None), (expected, 0));
    }
}

#[test]
fn a_known_upper_chain_leaves_one_verification() {
    let mut cache = ChainCache::new();
    let chain = Pki::tall(6).issue();
    assert_eq!(judge(&chain, Some(&mut cache)), (Ok(()), 7));
    assert_eq!(judge(&chain, Some(&mut cache)), (Ok(()), 1));
}
