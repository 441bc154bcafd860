//! A round from its terms to its id; also the fixture that other vectors build on.

use anyhow::Result;
use sealsum_protocol::{
    Admission, AggregationRule, Digest, Intake, KemPrivateKey, KemSuite, Noise, OperatorSigner,
    ReceiptSigner, RingBits, RoundBinding, RoundParams, RoundTerms, Rounding, VERSION, canonical,
};
use serde_bytes::ByteBuf;
use serde_json::json;

use super::File;
use super::seeds::bytes32;

pub(super) fn rounds() -> Result<File> {
    let mut full = terms(KemSuite::XWing);
    full.rule = AggregationRule::WeightedMean;
    full.max_weight = 1000;
    full.ring_bits = RingBits::new(64)?;
    full.admission = Admission::Registry {
        root: Digest::new(bytes32("registry root")),
        size: 12,
        grant: None,
    };
    full.noise = Noise::DiscreteGaussian {
        sigma: 1 << 16,
        tail: 1 << 20,
    };
    full.l2_bound = Some(1 << 18);
    full.previous_receipt = Some(Digest::new(bytes32("previous receipt")));
    let mut presum = terms(KemSuite::X25519);
    presum.intake = Intake::Presum;
    presum.rounding = Rounding::Stochastic;
    let mut cases = Vec::new();
    for terms in [
        terms(KemSuite::X25519),
        terms(KemSuite::XWing),
        presum,
        full,
    ] {
        let round = Round::of(terms)?;
        let binding = &round.binding;
        cases.push(json!({
            "operator_secret": hex::encode(operator_secret()),
            "terms": hex::encode(canonical::encode(binding.params.params.terms())),
            "signed_params": hex::encode(canonical::encode(&binding.params)),
            "kem_entropy": hex::encode(kem_entropy()),
            "kem_key": hex::encode(&binding.kem_key),
            "receipt_secret": hex::encode(receipt_secret()),
            "receipt_key": binding.receipt_key.to_string(),
            "binding": hex::encode(canonical::encode(binding)),
            "round_id": binding.round_id().to_string(),
        }));
    }
    Ok(File {
        name: "rounds",
        about: "terms, signed by the operator (Ed25519 over length of label || label || canonical terms); with the round's keys they are the binding, whose digest is the RoundId",
        cases,
    })
}

/// An enclave's side of a round, with all its secrets.
pub(super) struct Round {
    pub(super) binding: RoundBinding,
    pub(super) kem: KemPrivateKey,
    pub(super) receipts: ReceiptSigner,
}

impl Round {
    pub(super) fn of(terms: RoundTerms) -> Result<Self> {
        let suite = terms.kem;
        let operator = OperatorSigner::from_secret(&operator_secret());
        let (kem, kem_key) = KemPrivateKey::derive(suite, &kem_entropy());
        let receipts = ReceiptSigner::from_secret(&receipt_secret());
        Ok(Self {
            binding: RoundBinding {
                version: VERSION,
                params: RoundParams::new(terms)?.sign(&operator)?,
                kem_key: ByteBuf::from(kem_key),
                receipt_key: receipts.key(),
            },
            kem,
            receipts,
        })
    }
}

pub(super) fn terms(kem: KemSuite) -> RoundTerms {
    RoundTerms {
        version: VERSION,
        task: "digits".parse().expect("a task's name"),
        round_number: 7,
        operator: OperatorSigner::from_secret(&operator_secret()).key(),
        base_model: Digest::new(bytes32("base model")),
        schema: Digest::new(bytes32("schema")),
        dimension: 12,
        ring_bits: RingBits::new(20).expect("a width"),
        clip: 1 << 12,
        fractional_bits: 10,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 100,
        intake: Intake::Stream,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem,
        l2_bound: None,
        previous_receipt: None,
    }
}

pub(super) fn operator_secret() -> [u8; 32] {
    bytes32("operator's secret")
}

pub(super) fn kem_entropy() -> [u8; 32] {
    bytes32("enclave's entropy for the key agreement")
}

pub(super) fn receipt_secret() -> [u8; 32] {
    bytes32("receipt key's secret")
}
