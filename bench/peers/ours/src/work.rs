//! The work: the parameters of its round, and what each client contributes.

use anyhow::{Context as _, Result};
use sealsum_protocol::plan::{largest_sum, smallest_ring};
use sealsum_protocol::{AggregationRule, KemSuite, RingBits, RoundTerms, Rounding};
use sealsum_testkit::presum;

/// A mean of values between -1 and 1, rounded at random to `value_bits` bits, in the narrowest
/// ring in which no sum of so many clients wraps.
pub(crate) fn terms(
    clients: u32,
    dimension: u64,
    value_bits: u8,
    kem: KemSuite,
) -> Result<RoundTerms> {
    let mut terms = RoundTerms {
        dimension,
        clip: 1 << (value_bits - 1),
        fractional_bits: value_bits - 1,
        rounding: Rounding::Stochastic,
        max_cohort: clients,
        rule: AggregationRule::Mean,
        kem,
        ring_bits: RingBits::new(64)?,
        ..presum()
    };
    terms.ring_bits = smallest_ring(largest_sum(&terms)).context("no ring is wide enough")?;
    Ok(terms)
}

/// Numbers between -1 and 1, others for each client.
pub(crate) fn update_of(client: u32, dimension: u64) -> Vec<f64> {
    let phase = f64::from(client) * 0.37;
    (0..dimension)
        .map(|place| (place as f64 * 0.618_034 + phase).fract() * 1.9 - 0.95)
        .collect()
}
