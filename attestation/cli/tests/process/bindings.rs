//! What a document vouches for: a round's binding, by itself or as an offer or kept evidence has it.

use sealsum_protocol::{
    Admission, AggregationRule, ClientNonce, Digest, Intake, KemPrivateKey, KemSuite, Noise,
    NoncePath, OperatorSigner, ReceiptSigner, RingBits, RoundBinding, RoundEvidence, RoundOffer,
    RoundParams, RoundTerms, Rounding, VERSION, canonical,
};
use serde_bytes::ByteBuf;

use crate::desk::{Desk, Mock, SIGNED_MS, hex_of, mock_policy};

fn binding(round_number: u64) -> RoundBinding {
    let operator = OperatorSigner::from_secret(&[1; 32]);
    let (_, public) = KemPrivateKey::derive(KemSuite::X25519, &[7; 32]);
    let terms = RoundTerms {
        version: VERSION,
        task: "wards".parse().unwrap(),
        round_number,
        operator: operator.key(),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 650,
        ring_bits: RingBits::new(32).unwrap(),
        clip: 1 << 20,
        fractional_bits: 16,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 100,
        intake: Intake::Stream,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    };
    RoundBinding {
        version: VERSION,
        params: RoundParams::new(terms).unwrap().sign(&operator).unwrap(),
        kem_key: ByteBuf::from(public),
        receipt_key: ReceiptSigner::from_secret(&[4; 32]).key(),
    }
}

/// Round 3 as kept evidence, as an offer, and in parts; round 4's binding beside it.
fn desk() -> Desk {
    let desk = Desk::empty();
    let mock = Mock::boot();
    desk.write("mock-root.pem", mock.root.root_pem());
    desk.write("mock.toml", mock_policy());
    let binding = binding(3);
    let nonce = ClientNonce::new([0x4e; 32]);
    let document = mock.attest(Some(nonce.as_bytes()), Some(binding.round_id().as_bytes()));
    let evidence = ByteBuf::from(document.clone());
    desk.write("document.cbor", document);
    desk.write("binding.cbor", canonical::encode(&binding));
    desk.write("other.cbor", canonical::encode(&self::binding(4)));
    let kept = RoundEvidence {
        binding: binding.clone(),
        evidence: evidence.clone(),
    };
    desk.write("evidence.cbor", canonical::encode(&kept));
    let spliced = RoundEvidence {
        binding: self::binding(4),
        evidence: evidence.clone(),
    };
    desk.write("spliced.cbor", canonical::encode(&spliced));
    let offer = RoundOffer {
        binding,
        evidence,
        nonce_path: NoncePath::alone(),
    };
    desk.write("offer.cbor", canonical::encode(&offer));
    desk
}

const POLICY: &str = "--policy mock.toml --mock --archived";

#[test]
fn a_document_is_compared_with_the_round_that_a_binding_makes() {
    let desk = desk();
    let id = binding(3).round_id().to_string();
    for line in [
        "verify document.cbor --binding binding.cbor",
        "verify document.cbor --binding evidence.cbor",
        "verify document.cbor --binding offer.cbor",
        "verify evidence.cbor",
        "verify offer.cbor",
    ] {
        let said = desk.say(&format!("{line} {POLICY}"));
        assert_eq!(
            (said.exit, said.text("/round_id")),
            (0, id.as_str()),
            "{line}"
        );
        assert_eq!(said.text("/checks/8/outcome"), "passed");
    }
    for line in [
        "verify document.cbor --binding other.cbor",
        "verify evidence.cbor --binding other.cbor",
    ] {
        let said = desk.say(&format!("{line} {POLICY}"));
        assert_eq!(said.refusal(), (1, "wrong-binding"), "{line}");
    }
    // An offer that brings another round's binding is not appraised by giving the right one.
    let right = hex_of(binding(3).round_id().as_bytes());
    for given in ["--binding binding.cbor", &format!("--user-data {right}")] {
        let said = desk.say(&format!("verify spliced.cbor {given} {POLICY}"));
        assert_eq!(said.refusal(), (1, "contradictory-binding"), "{given}");
    }
    let said = desk.say(&format!("verify spliced.cbor {POLICY}"));
    assert_eq!(said.refusal(), (1, "wrong-binding"));
    let alone = desk.say(&format!("verify document.cbor {POLICY}"));
    assert_eq!(alone.text("/checks/8/outcome"), "not-asked");
}

#[test]
fn an_offer_brings_its_own_nonce_path() {
    let desk = desk();
    let line = format!("verify offer.cbor --policy mock.toml --mock --at {SIGNED_MS} --nonce");
    let said = desk.say(&format!("{line} {}", hex_of([0x4e; 32])));
    assert_eq!(said.exit, 0, "{}", said.json);
    let outcomes: Vec<_> = said.json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["outcome"])
        .collect();
    assert!(
        outcomes.iter().all(|outcome| *outcome == "passed"),
        "{outcomes:?}"
    );
    let short = desk.say(&format!("{line} 4e"));
    assert_eq!(short.refusal(), (2, "usage"));
}

#[test]
fn inspecting_kept_evidence_shows_its_round() {
    let desk = desk();
    let said = desk.say("inspect evidence.cbor");
    assert_eq!(said.text("/round_id"), binding(3).round_id().to_string());
    assert_eq!(said.text("/user_data"), said.text("/round_id"));
}
