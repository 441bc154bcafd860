//! Fixed point: floating-point updates to ring elements and back.
//!
//! An element x becomes round(x x 2^f), clipped to the parameters' bound and
//! multiplied by the client's weight. Each element is off by less than one step
//! (half a step with nearest rounding), so a mean over any cohort is off by less
//! than 2^-f: docs/PROTOCOL.md derives it.

// Sums below 2^53 to floats; squares of 64 bits in 128.
#![allow(clippy::as_conversions, clippy::arithmetic_side_effects)]

mod encoding;
mod quantize;
mod single;
mod step;

use zeroize::{Zeroize, ZeroizeOnDrop};

pub use self::encoding::{Encoding, Number, PIECE_ELEMENTS};
use crate::params::{AggregationRule, RoundTerms};
use crate::ring::RingVector;

/// The secret that stochastic rounding draws from: 32 random bytes of its own,
/// never the mask's.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RoundingSeed([u8; 32]);
crate::secret!(RoundingSeed);

impl RoundingSeed {
    /// Wraps 32 fresh random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// What to do with a value beyond the clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfRange {
    /// Take the bound instead, and count it.
    Clamp,
    /// Refuse the update.
    Refuse,
}

/// The square of an element's absolute value, for integer L2 norms.
#[must_use]
pub fn square(value: i64) -> u128 {
    let magnitude = u128::from(value.unsigned_abs());
    magnitude * magnitude
}

/// Reads a released sum back as numbers: the rule's division applied.
///
/// `blocks` hold d elements of k bits; `total_weight` is the cohort's size unless
/// the rule is a weighted mean.
#[must_use]
pub fn decode(
    terms: &RoundTerms,
    blocks: &[RingVector],
    cohort_size: u32,
    total_weight: u64,
) -> Vec<f64> {
    let divisor = scale(terms)
        * match terms.rule {
            AggregationRule::Sum => 1.0,
            AggregationRule::Mean => f64::from(cohort_size),
            AggregationRule::WeightedMean => total_weight as f64,
        };
    blocks
        .iter()
        .flat_map(RingVector::signed)
        .map(|value| value as f64 / divisor)
        .collect()
}

fn scale(terms: &RoundTerms) -> f64 {
    2_f64.powi(terms.fractional_bits.into())
}

/// Why an update can't be encoded. The update, or the choice of round, is at fault;
/// nothing was recorded or sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Another number of elements.
    #[error("the round's updates have {expected} elements, this one has {found}")]
    Dimension {
        /// Elements by the parameters.
        expected: u64,
        /// Elements given.
        found: u64,
    },
    /// Weight out of range.
    #[error("a weight in this round is 1 to {max_weight}, not {found}")]
    Weight {
        /// The parameters' bound.
        max_weight: u32,
        /// The weight given.
        found: u32,
    },
    /// NaN or infinity.
    #[error("element {index} is not a finite number; remove NaN and infinities from the update")]
    NotFinite {
        /// Its place in the flattened update, from 0.
        index: u64,
    },
    /// A value beyond the clip, and clamping was not wanted.
    #[error(
        "element {index} is beyond the round's clip of {clip}; clip the update, or allow clamping"
    )]
    BeyondClip {
        /// Its place in the flattened update, from 0.
        index: u64,
        /// The bound, in the update's units.
        clip: f64,
    },
    /// The whole update is too long a vector.
    #[error(
        "the encoded update's L2 norm is {norm} steps, the round's bound is {bound}; scale the update down"
    )]
    NormAboveBound {
        /// The parameters' bound, in steps.
        bound: u64,
        /// The update's norm, in steps.
        norm: u128,
    },
    /// More elements than one seed masks, which no planned round has.
    #[error(transparent)]
    PastTheKeystream(#[from] crate::mask::PastTheKeystream),
}

#[cfg(test)]
mod tests;
