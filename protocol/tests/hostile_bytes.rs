//! Bytes that an adversary cut, changed or re-encoded.

use proptest::prelude::*;
use sealsum_protocol::canonical::{decode, encode};
use sealsum_protocol::messages::{Close, Contribute, Message as _, OpenRound};
use sealsum_protocol::receipt::Receipt;
use sealsum_protocol::{
    AbortReceipt, Acceptance, Admission, AggregationRule, ClientId, Command, Commitment,
    ContributionHeader, DecodeError, Digest, Intake, KemSuite, Noise, NoncePath, OpeningId,
    OperatorSigner, ReceiptSigner, Refusal, Reply, RingBits, RoundBinding, RoundEvidence, RoundId,
    RoundOffer, RoundParams, RoundTerms, Rounding, SignatureError, Signed, SignedRoundParams,
    VERSION,
};

fn signed_params() -> SignedRoundParams {
    let operator = OperatorSigner::from_secret(&[7; 32]);
    let terms = RoundTerms {
        version: VERSION,
        task: "test".parse().unwrap(),
        round_number: 1,
        operator: operator.key(),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 20,
        ring_bits: RingBits::new(24).unwrap(),
        clip: 1 << 12,
        fractional_bits: 12,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 10,
        intake: Intake::Stream,
        admission: Admission::Registry {
            root: Digest::new([4; 32]),
            size: 9,
            grant: None,
        },
        rule: AggregationRule::Sum,
        noise: Noise::DiscreteGaussian { sigma: 3, tail: 30 },
        kem: KemSuite::X25519,
        l2_bound: Some(5),
        previous_receipt: Some(Digest::new([5; 32])),
    };
    RoundParams::new(terms).unwrap().sign(&operator).unwrap()
}

fn signer() -> ReceiptSigner {
    ReceiptSigner::from_secret(&[9; 32])
}

fn binding() -> RoundBinding {
    RoundBinding {
        version: VERSION,
        params: signed_params(),
        kem_key: vec![1; 32].into(),
        receipt_key: signer().key(),
    }
}

fn header() -> ContributionHeader {
    ContributionHeader {
        round_id: RoundId::new([1; 32]),
        client: ClientId::new([2; 32]),
        encapsulated_key: vec![3; 32].into(),
        commitment: Commitment(Digest::new([4; 32])),
        sealed: vec![5; 20].into(),
        credential: None,
    }
}

fn receipt() -> Signed<Receipt> {
    signer().sign(Receipt {
        round_id: RoundId::new([1; 32]),
        cohort_size: 3,
        cohort_root: Digest::new([2; 32]),
        total_weight: 3,
        aggregate: Digest::new([3; 32]),
        noise: Noise::None,
        excluded: vec![ClientId::new([4; 32])],
        previous_receipt: None,
    })
}

/// A name, an encoding, and whether bytes decode to some such message.
type Sample = (&'static str, Vec<u8>, fn(&[u8]) -> bool);

/// One of each message.
fn messages() -> Vec<Sample> {
    let offer = RoundOffer {
        binding: binding(),
        evidence: vec![1, 2, 3].into(),
        nonce_path: NoncePath::alone(),
    };
    let evidence = RoundEvidence {
        binding: binding(),
        evidence: vec![1].into(),
    };
    let open = Command::OpenRound(Box::new(OpenRound {
        opening: OpeningId::new([7; 32]),
        params: signed_params(),
    }));
    let contribute = Command::Contribute(Box::new(Contribute { header: header() }));
    let close = Command::Close(Close {
        round_id: RoundId::new([1; 32]),
        cohort_root: Digest::new([2; 32]),
        sum_root: Some(Digest::new([3; 32])),
        excluded: vec![ClientId::new([4; 32])],
    });
    vec![
        ("signed parameters", encode(&signed_params()), |b| {
            decode::<SignedRoundParams>(b).is_ok()
        }),
        ("offer", encode(&offer), |b| decode::<RoundOffer>(b).is_ok()),
        ("evidence", encode(&evidence), |b| {
            decode::<RoundEvidence>(b).is_ok()
        }),
        ("header", encode(&header()), |b| {
            decode::<ContributionHeader>(b).is_ok()
        }),
        ("receipt", encode(&receipt()), |b| {
            decode::<Signed<Receipt>>(b).is_ok()
        }),
        ("open", encode(&open), |b| Command::from_head(b).is_ok()),
        ("contribute", encode(&contribute), |b| {
            Command::from_head(b).is_ok()
        }),
        ("close", encode(&close), |b| Command::from_head(b).is_ok()),
        (
            "refused",
            encode(&Reply::Refused(Refusal::CohortTooSmall {
                size: 2,
                minimum: 3,
            })),
            |b| Reply::from_head(b).is_ok(),
        ),
    ]
}

#[test]
fn every_message_decodes_and_every_truncation_or_extension_does_not() {
    for (name, bytes, decodes) in messages() {
        assert!(decodes(&bytes), "{name}");
        for end in 0..bytes.len() {
            assert!(!decodes(&bytes[..end]), "{name} cut at {end}");
        }
        assert!(!decodes(&[&bytes[..], &[0]].concat()), "{name} and a byte");
    }
}

#[test]
fn no_flipped_bit_panics_or_leaves_the_bytes_meaning_the_same() {
    for (name, bytes, _) in messages() {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(command) = decode::<Command>(&flipped) {
                assert_eq!(encode(&command), flipped, "{name}");
                assert_ne!(encode(&command), bytes, "{name}");
            }
        }
    }
}

#[test]
fn no_flipped_bit_of_an_authenticated_message_is_accepted() {
    let params = encode(&signed_params());
    let receipt = encode(&receipt());
    let round_id = RoundId::new([1; 32]);
    for bit in 0..params.len() * 8 {
        let mut flipped = params.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let verified =
            decode::<SignedRoundParams>(&flipped).is_ok_and(|params| params.verify().is_ok());
        assert!(!verified, "bit {bit} of the parameters");
    }
    for bit in 0..receipt.len() * 8 {
        let mut flipped = receipt.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let verified = decode::<Signed<Receipt>>(&flipped)
            .is_ok_and(|receipt| receipt.verify(&signer().key(), &round_id).is_ok());
        assert!(!verified, "bit {bit} of the receipt");
    }
}

#[test]
fn each_bit_of_the_binding_is_in_the_round_id() {
    let bytes = encode(&binding());
    let round_id = binding().round_id();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = decode::<RoundBinding>(&flipped) {
            assert_ne!(other.round_id(), round_id, "bit {bit}");
        }
    }
}

#[test]
fn parameters_that_could_wrap_do_not_decode() {
    let honest = encode(&signed_params());
    // ring_bits 24 to 8: the same length, and far too narrow.
    let at = honest
        .windows(9)
        .position(|window| window == b"ring_bits")
        .unwrap()
        + 9;
    assert_eq!(honest[at..at + 2], [0x18, 24]);
    let mut narrow = honest.clone();
    narrow.splice(at..at + 2, [8]);
    assert_eq!(
        decode::<SignedRoundParams>(&narrow).err(),
        Some(DecodeError::Malformed)
    );
}

#[test]
fn other_encodings_of_the_same_value_are_refused() {
    use std::collections::BTreeMap;
    let id = [1_u8; 32];
    let acceptance = Acceptance {
        round_id: RoundId::new(id),
        client: ClientId::new(id),
        contribution: Digest::new(id),
    };
    let canonical = encode(&acceptance);
    assert!(decode::<Acceptance>(&canonical).is_ok());
    let as_array = serde_cbor::to_vec(&(
        serde_bytes::Bytes::new(&id),
        serde_bytes::Bytes::new(&id),
        serde_bytes::Bytes::new(&id),
    ))
    .unwrap();
    assert_eq!(
        decode::<Acceptance>(&as_array).err(),
        Some(DecodeError::NotCanonical)
    );
    // Keys in another order (a BTreeMap sorts them).
    let reordered: BTreeMap<_, _> = ["round_id", "client", "contribution"]
        .map(|key| (key, serde_bytes::Bytes::new(&id)))
        .into();
    assert!(decode::<Acceptance>(&serde_cbor::to_vec(&reordered).unwrap()).is_err());
    let mut unknown = reordered.clone();
    unknown.insert("extra", serde_bytes::Bytes::new(&id));
    assert!(decode::<Acceptance>(&serde_cbor::to_vec(&unknown).unwrap()).is_err());
    let tagged = [&[0xd9, 0xd9, 0xf7][..], &canonical].concat();
    assert!(decode::<Acceptance>(&tagged).is_err());
    // A 32-byte string whose length is spelt in two bytes.
    let at = canonical
        .windows(2)
        .position(|window| window == [0x58, 0x20])
        .unwrap();
    let mut long = canonical.clone();
    long.splice(at..at + 2, [0x59, 0x00, 0x20]);
    assert!(decode::<Acceptance>(&long).is_err());
}

#[test]
fn a_signature_means_one_thing_in_one_round() {
    let (one, two) = (RoundId::new([1; 32]), RoundId::new([2; 32]));
    let key = signer().key();
    let acceptance = signer().sign(Acceptance {
        round_id: one,
        client: ClientId::new([3; 32]),
        contribution: Digest::new([4; 32]),
    });
    assert!(acceptance.verify(&key, &one).is_ok());
    assert_eq!(
        acceptance.verify(&key, &two).err(),
        Some(SignatureError::OtherRound)
    );
    let other = ReceiptSigner::from_secret(&[8; 32]).key();
    assert_eq!(
        acceptance.verify(&other, &one).err(),
        Some(SignatureError::Invalid)
    );
    // A small-order key verifies nothing.
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = sealsum_protocol::ReceiptKey::new(identity);
    assert_eq!(
        acceptance.verify(&weak, &one).err(),
        Some(SignatureError::Invalid)
    );
    // The signature of one statement on another: the wire form is the same map.
    let abort = signer().sign(AbortReceipt {
        round_id: one,
        discarded: 3,
    });
    let graft = |from: &[u8], onto: &[u8]| {
        let at = |bytes: &[u8]| {
            bytes
                .windows(2)
                .rposition(|window| window == [0x58, 0x40])
                .unwrap()
        };
        [&onto[..at(onto)], &from[at(from)..]].concat()
    };
    let grafted = graft(&encode(&acceptance), &encode(&abort));
    let grafted: Signed<AbortReceipt> = decode(&grafted).unwrap();
    assert_eq!(
        grafted.verify(&key, &one).err(),
        Some(SignatureError::Invalid)
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode::<Command>(&bytes);
        let _ = decode::<Reply>(&bytes);
        let _ = decode::<RoundOffer>(&bytes);
        let _ = decode::<Signed<Receipt>>(&bytes);
    }

    /// Depth, huge declared lengths: CBOR's ways to make a reader work or allocate.
    #[test]
    fn nested_and_boastful_cbor_is_refused(depth in 1_usize..60_000, head in prop_oneof![Just(0x81_u8), Just(0xa1), Just(0xc1)], boast in any::<[u8; 8]>()) {
        prop_assert!(decode::<Command>(&vec![head; depth]).is_err());
        for major in [0x5b_u8, 0x7b, 0x9b, 0xbb] {
            prop_assert!(decode::<Command>(&[&[major][..], &boast].concat()).is_err());
        }
    }
}
