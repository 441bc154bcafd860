//! A round for documents to vouch for.

use sealsum_protocol::{
    Admission, AggregationRule, Digest, Intake, KemPrivateKey, KemSuite, Noise, OperatorSigner,
    ReceiptSigner, RingBits, RoundBinding, RoundParams, RoundTerms, Rounding, VERSION,
};
use serde_bytes::ByteBuf;

/// A binding whose parts follow from these numbers: the terms' least cohort, the KEM key, the
/// receipt key.
pub(crate) fn binding(min_cohort: u32, kem: u8, receipt: u8) -> RoundBinding {
    let operator = OperatorSigner::from_secret(&[1; 32]);
    let terms = RoundTerms {
        version: VERSION,
        task: "wards".parse().expect("a task's name"),
        round_number: 3,
        operator: operator.key(),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 650,
        ring_bits: RingBits::new(32).expect("a ring's width"),
        clip: 1 << 20,
        fractional_bits: 16,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort,
        max_cohort: 100,
        intake: Intake::Stream,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    };
    let (_, public) = KemPrivateKey::derive(terms.kem, &[kem; 32]);
    let params = RoundParams::new(terms).expect("terms within their ranges");
    RoundBinding {
        version: VERSION,
        params: params.sign(&operator).expect("the operator of the terms"),
        kem_key: ByteBuf::from(public),
        receipt_key: ReceiptSigner::from_secret(&[receipt; 32]).key(),
    }
}
