//! Numbers to ring elements and back.

use anyhow::Result;
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed, decode};
use sealsum_protocol::pack::pack;
use sealsum_protocol::{
    AggregationRule, Encoding, KemSuite, RingBits, RoundParams, RoundTerms, Rounding, canonical,
};
use serde_json::{Value, json};

use super::File;
use super::contributions::Sealed;
use super::rounds::{Round, terms};
use super::seeds::bytes32;

pub(super) fn fixed_point() -> Result<File> {
    let nearest = terms(KemSuite::X25519);
    let stochastic = RoundTerms {
        rounding: Rounding::Stochastic,
        ..nearest.clone()
    };
    let fine = RoundTerms {
        ring_bits: RingBits::new(64)?,
        fractional_bits: 40,
        clip: 1 << 52,
        ..stochastic.clone()
    };
    let weighted = RoundTerms {
        ring_bits: RingBits::new(32)?,
        rule: AggregationRule::WeightedMean,
        max_weight: 1000,
        ..nearest.clone()
    };
    let sum = RoundTerms {
        rule: AggregationRule::Sum,
        fractional_bits: 0,
        ring_bits: RingBits::new(20)?,
        ..nearest.clone()
    };
    let cases = [
        (nearest, 1),
        (stochastic, 1),
        (fine, 1),
        (weighted, 37),
        (sum, 1),
    ]
    .into_iter()
    .map(|(terms, weight)| case(&terms, weight))
    .collect::<Result<_>>()?;
    Ok(File {
        name: "fixed_point",
        about: "round(x * 2^f), clipped, times weight; stochastic rounding adds a little-endian word of the seed's AES-256-CTR stream, over 2^32, and rounds down; read_back is that one encoded update divided as if a cohort of 4 with total weight 100 had summed to it; floats as the 8 bytes of IEEE 754, big-endian",
        cases,
    })
}

fn case(terms: &RoundTerms, weight: u32) -> Result<Value> {
    let round = Round::of(terms.clone())?;
    let params = RoundParams::new(terms.clone())?;
    let seed = bytes32("rounding");
    let encoding = Encoding::new(
        &params,
        &VALUES,
        weight,
        OutOfRange::Clamp,
        &RoundingSeed::new(seed),
    )?;
    let sealed = Sealed::of(&round, encoding)?;
    let elements = sealed.unmasked(&round)?;
    let packed = hex::encode(pack(&elements));
    let read_back = decode(terms, &[elements], COHORT_SIZE, TOTAL_WEIGHT);
    Ok(json!({
        "terms": hex::encode(canonical::encode(terms)),
        "weight": weight,
        "rounding_seed": hex::encode(seed),
        "values": floats(&VALUES),
        "clamped": sealed.clamped,
        "elements": packed,
        "cohort_size": COHORT_SIZE,
        "total_weight": TOTAL_WEIGHT,
        "read_back": floats(&read_back),
    }))
}

/// Exact in text, unlike decimals.
pub(super) fn floats(values: &[f64]) -> Value {
    let text = |value: &f64| hex::encode(value.to_be_bytes());
    values.iter().map(text).collect()
}

/// Halves, values below a step, negative zero, beyond every clip.
pub(super) const VALUES: [f64; 12] = [
    0.0,
    1.0,
    -1.0,
    0.5,
    -0.0,
    1.0 / 3.0,
    -2.714_285_714,
    0.000_488_281_25,
    -0.001_464_843_75,
    1.0e-12,
    1.0e9,
    -1.0e9,
];
const COHORT_SIZE: u32 = 4;
const TOTAL_WEIGHT: u64 = 100;
