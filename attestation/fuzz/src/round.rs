//! A round for documents to vouch for. Its keys are anybody's.

use std::sync::LazyLock;

use sealsum_protocol::{
    Admission, AggregationRule, Digest, Intake, KemPrivateKey, KemSuite, Noise, OperatorSigner,
    ReceiptSigner, RingBits, RoundBinding, RoundParams, RoundTerms, Rounding, VERSION,
};
use serde_bytes::ByteBuf;

pub(crate) static BINDING: LazyLock<RoundBinding> = LazyLock::new(|| {
    let operator = OperatorSigner::from_secret(&[1; 32]);
    let terms = RoundTerms {
        version: VERSION,
        task: "fuzz".parse().expect("a task's name"),
        round_number: 1,
        operator: operator.key(),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 1,
        ring_bits: RingBits::new(32).expect("a ring's width"),
        clip: 1 << 16,
        fractional_bits: 16,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 3,
        intake: Intake::Stream,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    };
    let (_, public) = KemPrivateKey::derive(terms.kem, &[4; 32]);
    let params = RoundParams::new(terms).expect("terms within their ranges");
    RoundBinding {
        version: VERSION,
        params: params.sign(&operator).expect("the operator of the terms"),
        kem_key: ByteBuf::from(public),
        receipt_key: ReceiptSigner::from_secret(&[5; 32]).key(),
    }
});
