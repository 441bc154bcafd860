//! Encoding: a client's update into the ring, one block after the other.
//!
//! No more than one block of it is there at any time, and it is handed over where it is made: a
//! vector of a hundred million elements has no second copy of its own in clear.

// Indices below the vector's length.
#![allow(clippy::as_conversions, clippy::arithmetic_side_effects)]

use zeroize::Zeroizing;

use super::quantize::{Bounds, Clamp, Quantize};
use super::{EncodeError, OutOfRange, RoundingSeed, square};
use crate::block::{BLOCK_ELEMENTS, BlockLayout};
use crate::mask::{Keystream, on_this_processor};
use crate::params::{RoundParams, Rounding};
use crate::ring::{Lane, Lanes, RingVector};

/// A floating-point number of an update.
pub trait Number: Copy + Into<f64> + Clamp {}
impl Number for f32 {}
impl Number for f64 {}

/// A client's update and how a round encodes it: k-bit elements, weight applied.
///
/// Secret: no `Debug`, `Clone` or serde (I10).
pub struct Encoding<'a, V = f64> {
    values: &'a [V],
    layout: BlockLayout,
    bounds: Bounds,
    l2_bound: Option<u64>,
    out_of_range: OutOfRange,
    rounding: Option<Keystream>,
}
crate::secret!(Encoding<'_, f64>);

impl<'a, V: Number> Encoding<'a, V> {
    /// Encodes `values`, d of them, as `params` say.
    ///
    /// # Errors
    /// [`EncodeError::Dimension`], [`EncodeError::Weight`].
    pub fn new(
        params: &RoundParams,
        values: &'a [V],
        weight: u32,
        out_of_range: OutOfRange,
        seed: &RoundingSeed,
    ) -> Result<Self, EncodeError> {
        let terms = params.terms();
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
        let bounds = Bounds::new(terms, weight);
        Ok(Self {
            l2_bound: terms.l2_bound,
            out_of_range,
            ..Self::unplanned(values, params.layout(), bounds, terms.rounding, seed)
        })
    }

    /// Of bounds that no planner has seen.
    pub(super) fn unplanned(
        values: &'a [V],
        layout: BlockLayout,
        bounds: Bounds,
        rounding: Rounding,
        seed: &RoundingSeed,
    ) -> Self {
        Self {
            values,
            layout,
            bounds,
            l2_bound: None,
            out_of_range: OutOfRange::Clamp,
            rounding: (rounding == Rounding::Stochastic).then(|| Keystream::new(&seed.0)),
        }
    }

    /// How the elements fall into blocks.
    #[must_use]
    pub const fn layout(&self) -> BlockLayout {
        self.layout
    }

    /// The weight that the elements are multiplied by.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.bounds.weight
    }

    /// Gives each block to `each`, which may change it; how many elements were beyond the clip
    /// and clamped. The L2 norm is known, and refused, after the last block only.
    ///
    /// # Errors
    /// [`EncodeError`]: the update's owner is told which element, which bound. Or what `each` errs with.
    pub fn for_each_block<E: From<EncodeError>>(
        mut self,
        mut each: impl FnMut(u64, &mut RingVector) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut clamped = 0;
        let mut norm_squared = 0_u128;
        let mut block = Zeroizing::new(RingVector::zeros(self.layout.bits(), 0));
        let values = self.values.chunks(BLOCK_ELEMENTS as usize);
        for (index, values) in (0_u32..).zip(values) {
            if block.len() != values.len() {
                block = Zeroizing::new(RingVector::zeros(self.layout.bits(), values.len()));
            }
            let beyond = self.encode(index, values, &mut block);
            if beyond > 0 {
                self.find_fault(index, values)?;
                clamped += beyond;
            }
            if self.l2_bound.is_some() {
                norm_squared = block
                    .signed()
                    .fold(norm_squared, |sum, value| sum.saturating_add(square(value)));
            }
            each(index.into(), &mut block)?;
        }
        match self.l2_bound {
            Some(bound) if norm_squared > u128::from(bound) * u128::from(bound) => {
                Err(EncodeError::NormAboveBound {
                    bound,
                    norm: norm_squared.isqrt(),
                }
                .into())
            }
            _ => Ok(clamped),
        }
    }

    /// How many elements are beyond the clip, or no numbers.
    fn encode(&mut self, index: u32, values: &[V], block: &mut RingVector) -> u64 {
        match block.lanes_mut() {
            Lanes::Narrow(lanes) => self.quantize(index, values, lanes),
            Lanes::Wide(lanes) => self.quantize(index, values, lanes),
        }
    }

    fn quantize<L: Lane>(&mut self, index: u32, values: &[V], lanes: &mut [L]) -> u64 {
        let mut beyond = 0;
        let quantize = Quantize {
            values,
            lanes,
            low: self.layout.bits().low_mask(),
            bounds: self.bounds,
            beyond: &mut beyond,
        };
        match &mut self.rounding {
            // Below 2^18 blocks of 2^12, so this is below 2^30.
            Some(stream) => stream.pour(index * ROUNDING_BLOCKS, quantize),
            None => on_this_processor(quantize),
        }
        beyond
    }

    /// The first element of this block that is at fault, if one is.
    fn find_fault(&self, block: u32, values: &[V]) -> Result<(), EncodeError> {
        let Bounds { scale, clip, .. } = self.bounds;
        let refuse = self.out_of_range == OutOfRange::Refuse;
        for (index, value) in (u64::from(block) * BLOCK_ELEMENTS..).zip(values) {
            let value: f64 = (*value).into();
            if !value.is_finite() {
                return Err(EncodeError::NotFinite { index });
            }
            if refuse && (value * scale).abs() > clip {
                let clip = clip / scale;
                return Err(EncodeError::BeyondClip { index, clip });
            }
        }
        Ok(())
    }
}

/// A block's 16,384 words of the rounding stream, in blocks of the cipher.
const ROUNDING_BLOCKS: u32 = 4096;
