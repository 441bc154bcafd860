//! Parameters of every round here.

use sealsum_protocol::{AggregationRule, Intake, RingBits, RoundTerms};

/// A mean of up to 100 values of at most 1 in steps of 2^-16, in a ring of `bits`: 24 are enough.
/// For narrower rings the step is as large as the planner asks.
pub(crate) fn terms(intake: Intake, dimension: u64, bits: u8) -> RoundTerms {
    let fractional_bits = bits.saturating_sub(8).min(16);
    RoundTerms {
        dimension,
        ring_bits: RingBits::new(bits).expect("a ring's width"),
        clip: 1 << fractional_bits,
        fractional_bits,
        max_cohort: 100,
        rule: AggregationRule::Mean,
        ..sealsum_testkit::terms(intake)
    }
}
