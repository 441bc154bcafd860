//! Terms that no round may have.

use anyhow::{Context, Result};
use sealsum_protocol::{
    AggregationRule, Intake, KemSuite, Noise, RingBits, RoundParams, RoundTerms, canonical,
};
use serde_json::json;

use super::rounds::terms;
use super::{File, variant};

pub(super) fn bad_params() -> Result<File> {
    type Change = fn(&mut RoundTerms);
    let changes: [(&str, Change); 16] = [
        ("version_2", |t| t.version = 2),
        ("no_elements", |t| t.dimension = 0),
        ("too_many_elements", |t| t.dimension = 1 << 32),
        ("no_clip", |t| t.clip = 0),
        ("clip_beyond_2_52", |t| t.clip = (1 << 52) + 1),
        ("too_fine", |t| t.fractional_bits = 41),
        ("under_the_floor", |t| t.min_cohort = 2),
        ("maximum_under_minimum", |t| t.max_cohort = 2),
        ("cohort_beyond_the_limit", |t| t.max_cohort = (1 << 24) + 1),
        ("no_weight", |t| t.max_weight = 0),
        ("weight_without_its_rule", |t| t.max_weight = 2),
        ("norm_bound_of_zero", |t| t.l2_bound = Some(0)),
        ("norm_bound_in_presum", |t| {
            t.intake = Intake::Presum;
            t.l2_bound = Some(1);
        }),
        // 128 x 4096 = 2^19: one above the maximum of 20 bits.
        ("cohort_wraps_by_one", |t| t.max_cohort = 128),
        ("weight_wraps", |t| {
            t.rule = AggregationRule::WeightedMean;
            t.max_weight = 2;
        }),
        ("noise_tail_wraps", |t| {
            t.noise = Noise::DiscreteGaussian {
                sigma: 1,
                tail: RingBits::new(20).map_or(0, RingBits::signed_max),
            };
        }),
    ];
    let mut cases = Vec::new();
    for (name, change) in changes {
        let mut terms = terms(KemSuite::X25519);
        change(&mut terms);
        let error = RoundParams::new(terms.clone())
            .err()
            .with_context(|| format!("{name} was accepted"))?;
        cases.push(json!({
            "name": name,
            "terms": hex::encode(canonical::encode(&terms)),
            "error": variant(&error),
        }));
    }
    Ok(File {
        name: "bad_params",
        about: "well-formed terms that are refused by what they say, so that no sum of honest encodings wraps",
        cases,
    })
}
