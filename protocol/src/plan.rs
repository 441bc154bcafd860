//! The planner: refuses parameters under which an honest sum could wrap (I6).
//!
//! The largest absolute value of a coordinate of the sum is
//! `max_cohort x clip x max_weight + noise tail`; it must not exceed the ring's
//! signed maximum, 2^(k-1) - 1.

use crate::VERSION;
use crate::params::{Admission, AggregationRule, COHORT_LIMIT, FLOOR, Intake, Noise, RoundTerms};
use crate::ring::RingBits;

/// Checks terms; see [`crate::RoundParams::new`].
pub(crate) fn check(terms: &RoundTerms) -> Result<(), PlanError> {
    if terms.version != VERSION {
        return Err(PlanError::Version(terms.version));
    }
    if terms.dimension == 0 || terms.dimension > DIMENSION_LIMIT {
        return Err(PlanError::Dimension(terms.dimension));
    }
    if terms.clip == 0 || terms.clip > CLIP_LIMIT {
        return Err(PlanError::Clip(terms.clip));
    }
    if terms.fractional_bits > FRACTIONAL_BITS_LIMIT {
        return Err(PlanError::FractionalBits(terms.fractional_bits));
    }
    if terms.min_cohort < FLOOR {
        return Err(PlanError::UnderFloor(terms.min_cohort));
    }
    if terms.max_cohort < terms.min_cohort || terms.max_cohort > COHORT_LIMIT {
        return Err(PlanError::MaxCohort {
            min_cohort: terms.min_cohort,
            max_cohort: terms.max_cohort,
        });
    }
    if let Admission::Registry { size, .. } = terms.admission
        && size < terms.min_cohort.into()
    {
        return Err(PlanError::SmallRegistry {
            min_cohort: terms.min_cohort,
            size,
        });
    }
    if terms.max_weight == 0 {
        return Err(PlanError::ZeroWeight);
    }
    if terms.rule != AggregationRule::WeightedMean && terms.max_weight != 1 {
        return Err(PlanError::WeightWithoutRule(terms.max_weight));
    }
    if terms.l2_bound.is_some() && terms.intake == Intake::Presum {
        return Err(PlanError::L2BoundNeedsStream);
    }
    if terms.l2_bound == Some(0) {
        return Err(PlanError::ZeroL2Bound);
    }
    check_sum(terms)
}

fn check_sum(terms: &RoundTerms) -> Result<(), PlanError> {
    let sum = largest_sum(terms);
    let limit = u128::from(terms.ring_bits.signed_max());
    if sum <= limit {
        return Ok(());
    }
    let room = limit.saturating_sub(noise_tail(terms));
    let per = |a: u128, b: u128| room.checked_div(a.saturating_mul(b)).unwrap_or(0);
    let (cohort, clip, weight) = factors(terms);
    Err(PlanError::WouldWrap(WouldWrap {
        ring_bits: terms.ring_bits,
        enough_bits: smallest_ring(sum),
        largest_cohort: per(clip, weight),
        largest_clip: per(cohort, weight),
        largest_weight: per(cohort, clip),
    }))
}

/// The largest absolute value that a coordinate of the sum can honestly have, in steps.
#[must_use]
pub fn largest_sum(terms: &RoundTerms) -> u128 {
    let (cohort, clip, weight) = factors(terms);
    // Below 2^24 x 2^52 x 2^32 = 2^108, plus a tail below 2^64.
    cohort
        .saturating_mul(clip)
        .saturating_mul(weight)
        .saturating_add(noise_tail(terms))
}

/// The narrowest ring whose signed maximum is at least `sum`.
#[must_use]
pub fn smallest_ring(sum: u128) -> Option<RingBits> {
    (8..=32)
        .chain([64])
        .filter_map(|bits| RingBits::new(bits).ok())
        .find(|bits| u128::from(bits.signed_max()) >= sum)
}

fn factors(terms: &RoundTerms) -> (u128, u128, u128) {
    (
        terms.max_cohort.into(),
        terms.clip.into(),
        terms.max_weight.into(),
    )
}

fn noise_tail(terms: &RoundTerms) -> u128 {
    match terms.noise {
        Noise::None => 0,
        Noise::DiscreteGaussian { tail, .. } => tail.into(),
    }
}

/// Why parameters are refused. The operator who wrote them is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Another protocol version.
    #[error("protocol version {0} is not known here; this build speaks version {VERSION}")]
    Version(u16),
    /// d out of range.
    #[error("dimension must be 1 to {DIMENSION_LIMIT} elements, not {0}")]
    Dimension(u64),
    /// Clip out of range.
    #[error("clip must be 1 to 2^52 steps, not {0}; a step is 2^-fractional_bits")]
    Clip(u64),
    /// Too fine a scale.
    #[error("fractional_bits must be 0 to {FRACTIONAL_BITS_LIMIT}, not {0}")]
    FractionalBits(u8),
    /// A minimum cohort under the floor.
    #[error("min_cohort must be at least {FLOOR}, the floor of every enclave image, not {0}")]
    UnderFloor(u32),
    /// Maximum under minimum, or over the protocol's limit.
    #[error(
        "max_cohort must be between min_cohort ({min_cohort}) and {COHORT_LIMIT}, not {max_cohort}"
    )]
    MaxCohort {
        /// The minimum asked for.
        min_cohort: u32,
        /// The maximum asked for.
        max_cohort: u32,
    },
    /// A registry that could never fill the minimum cohort.
    #[error(
        "the registry has {size} keys, fewer than min_cohort ({min_cohort}): no round under it could be released"
    )]
    SmallRegistry {
        /// The minimum asked for.
        min_cohort: u32,
        /// Keys of the registry.
        size: u64,
    },
    /// A weight bound of zero.
    #[error("max_weight must be at least 1")]
    ZeroWeight,
    /// Weights without a weighted rule.
    #[error(
        "max_weight is {0}, but only the rule weighted_mean takes weights: use that rule, or max_weight 1"
    )]
    WeightWithoutRule(u32),
    /// A norm that nobody could check.
    #[error(
        "l2_bound needs intake stream: in presum no update enters the enclave, so no norm can be checked there"
    )]
    L2BoundNeedsStream,
    /// A norm that only zero has.
    #[error("l2_bound must be at least 1 step")]
    ZeroL2Bound,
    /// An honest sum could wrap.
    #[error("{0}")]
    WouldWrap(WouldWrap),
}

/// An honest sum could wrap, and the single changes that would fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldWrap {
    /// The ring asked for.
    pub ring_bits: RingBits,
    /// The narrowest ring that fits; `None` if none does.
    pub enough_bits: Option<RingBits>,
    /// The largest cohort that fits, the rest unchanged.
    pub largest_cohort: u128,
    /// The largest clip that fits, in steps, the rest unchanged.
    pub largest_clip: u128,
    /// The largest weight that fits, the rest unchanged.
    pub largest_weight: u128,
}

impl core::fmt::Display for WouldWrap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "max_cohort x clip x max_weight + noise does not fit a ring of {} bits (clip in steps of 2^-fractional_bits); any one of these would: ",
            self.ring_bits
        )?;
        if let Some(bits) = self.enough_bits {
            write!(f, "ring_bits {bits}")?;
        } else {
            f.write_str("(no ring is wide enough)")?;
        }
        let others = [
            ("max_cohort", self.largest_cohort, u128::from(FLOOR), ""),
            ("clip", self.largest_clip, 1, " steps"),
            ("max_weight", self.largest_weight, 1, ""),
        ];
        for (term, value, least, unit) in others {
            if value >= least {
                write!(f, ", {term} {value}{unit}")?;
            }
        }
        Ok(())
    }
}

/// Four bytes of keystream an element, and 2^36 bytes of keystream a seed, would
/// allow more; a `u32` index is enough for any model of today.
const DIMENSION_LIMIT: u64 = (1 << 32) - 1;
/// A 64-bit float holds every integer up to here.
const CLIP_LIMIT: u64 = 1 << 52;
/// Beyond this a 32-bit ring has no room for a value of 1.
const FRACTIONAL_BITS_LIMIT: u8 = 40;

#[cfg(test)]
pub(crate) mod tests;
