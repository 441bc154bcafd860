//! Fixed point: floating-point updates to ring elements and back.
//!
//! An element x becomes round(x x 2^f), clipped to the parameters' bound and
//! multiplied by the client's weight. Each element is off by less than one step
//! (half a step with nearest rounding), so a mean over any cohort is off by less
//! than 2^-f: docs/PROTOCOL.md derives it.

// Floats to integers after clipping, below 2^52; indices below the vector's length.
#![allow(clippy::as_conversions, clippy::arithmetic_side_effects)]

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::block::{BLOCK_ELEMENTS, BlockLayout};
use crate::params::{AggregationRule, RoundParams, RoundTerms, Rounding};
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

/// A client's update in the ring: blocks of `k`-bit elements, weight applied.
///
/// Secret: no `Debug`, `Clone` or serde; zeroized on drop (I10).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EncodedUpdate {
    #[zeroize(skip)]
    layout: BlockLayout,
    blocks: Vec<RingVector>,
    weight: u32,
    clamped: u64,
}
crate::secret!(EncodedUpdate);

impl EncodedUpdate {
    /// Encodes `values`, d of them.
    ///
    /// # Errors
    /// [`EncodeError`]; the update's owner is told which element, which bound.
    pub fn encode(
        params: &RoundParams,
        values: &[f64],
        weight: u32,
        out_of_range: OutOfRange,
        seed: &RoundingSeed,
    ) -> Result<Self, EncodeError> {
        let terms = params.terms();
        let layout = params.layout();
        let found = u64::try_from(values.len()).unwrap_or(u64::MAX);
        if found != terms.dimension {
            return Err(EncodeError::Dimension {
                expected: terms.dimension,
                found,
            });
        }
        if weight == 0 || weight > terms.max_weight {
            return Err(EncodeError::Weight {
                max_weight: terms.max_weight,
                found: weight,
            });
        }
        let mut step = Step::new(terms, weight, out_of_range, seed);
        let mut blocks = Vec::new();
        let mut norm_squared = 0_u128;
        for (block, values) in values.chunks(BLOCK_ELEMENTS as usize).enumerate() {
            let mut steps = Vec::with_capacity(values.len());
            for (offset, value) in values.iter().enumerate() {
                let index = block as u64 * BLOCK_ELEMENTS + offset as u64;
                let encoded = step.encode(index, *value)?;
                norm_squared = norm_squared.saturating_add(square(encoded));
                steps.push(encoded);
            }
            blocks.push(RingVector::from_signed(
                terms.ring_bits,
                steps.iter().copied(),
            ));
            steps.zeroize();
        }
        if let Some(bound) = terms.l2_bound
            && norm_squared > u128::from(bound) * u128::from(bound)
        {
            return Err(EncodeError::NormAboveBound {
                bound,
                norm: norm_squared.isqrt(),
            });
        }
        Ok(Self {
            layout,
            blocks,
            weight,
            clamped: step.clamped,
        })
    }

    /// How the elements fall into blocks.
    #[must_use]
    pub const fn layout(&self) -> BlockLayout {
        self.layout
    }

    /// The weight that the elements were multiplied by.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.weight
    }

    /// Number of elements that were beyond the clip and clamped.
    #[must_use]
    pub const fn clamped(&self) -> u64 {
        self.clamped
    }

    /// For masking in place; the caller is `seal`.
    pub(crate) fn blocks_mut(&mut self) -> &mut [RingVector] {
        &mut self.blocks
    }
}

/// The square of an element's absolute value, for integer L2 norms.
#[must_use]
pub fn square(value: i64) -> u128 {
    let magnitude = u128::from(value.unsigned_abs());
    magnitude * magnitude
}

struct Step {
    scale: f64,
    clip: f64,
    weight: i64,
    out_of_range: OutOfRange,
    rounding: Option<Ctr32BE<Aes256>>,
    clamped: u64,
}

impl Step {
    fn new(terms: &RoundTerms, weight: u32, out_of_range: OutOfRange, seed: &RoundingSeed) -> Self {
        Self {
            scale: scale(terms),
            clip: terms.clip as f64,
            weight: weight.into(),
            out_of_range,
            rounding: (terms.rounding == Rounding::Stochastic)
                .then(|| Ctr32BE::new((&seed.0).into(), (&[0; 16]).into())),
            clamped: 0,
        }
    }

    fn encode(&mut self, index: u64, value: f64) -> Result<i64, EncodeError> {
        if !value.is_finite() {
            return Err(EncodeError::NotFinite { index });
        }
        let mut scaled = value * self.scale;
        if scaled.abs() > self.clip {
            if self.out_of_range == OutOfRange::Refuse {
                return Err(EncodeError::BeyondClip {
                    index,
                    clip: self.clip / self.scale,
                });
            }
            self.clamped += 1;
            scaled = scaled.clamp(-self.clip, self.clip);
        }
        let rounded = match &mut self.rounding {
            None => scaled.round(),
            Some(stream) => {
                let mut word = [0_u8; 4];
                stream.write_keystream(&mut word);
                (scaled + f64::from(u32::from_le_bytes(word)) / TWO_TO_32).floor()
            }
        };
        // Near 2^52 the sum of value and dither can round up past the clip.
        Ok(rounded.clamp(-self.clip, self.clip) as i64 * self.weight)
    }
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
}

const TWO_TO_32: f64 = 4_294_967_296.0;

#[cfg(test)]
mod tests;
