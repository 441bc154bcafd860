//! Encoding: a client's update into the ring, one piece after the other.
//!
//! No more than one piece of it is there at any time, and it is handed over where it is made: a
//! vector of a hundred million elements has no second copy of its own in clear.

// Indices below the vector's length.
#![allow(clippy::as_conversions, clippy::arithmetic_side_effects)]

use zeroize::Zeroizing;

use super::quantize::{Bounds, Quantize, Way, Width};
use super::single::{AtRandom, Singles, Staged};
use super::{EncodeError, OutOfRange, RoundingSeed, square};
use crate::block::BlockLayout;
use crate::mask::{Keystream, Mask, MaskSeed, on_this_processor};
use crate::params::{RoundParams, Rounding};
use crate::ring::{Lane, Lanes, RingVector};

/// A floating-point number of an update.
pub trait Number: Copy + Into<f64> + Width {}
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
    at_random: AtRandom,
    rounding: Option<Keystream>,
    mask: Option<Mask>,
    staged: Zeroizing<Staged>,
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
            at_random: AtRandom::new(&bounds),
            rounding: (rounding == Rounding::Stochastic).then(|| Keystream::new(&seed.0)),
            mask: None,
            staged: Zeroizing::new(Staged::EMPTY),
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

    /// As [`Self::for_each_piece`], each piece masked.
    ///
    /// # Errors
    /// The same.
    pub fn for_each_masked_piece<E: From<EncodeError>>(
        mut self,
        seed: &MaskSeed,
        each: impl FnMut(u64, &mut RingVector) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.mask = Some(seed.expand(self.layout.bits()));
        self.for_each_piece(each)
    }

    /// Gives each piece of [`PIECE_ELEMENTS`], the last of fewer, to `each`, which may change it, with
    /// the place of its first element; how many elements were beyond the clip and clamped. The L2
    /// norm is known, and refused, after the last piece only.
    ///
    /// # Errors
    /// [`EncodeError`]: the update's owner is told which element, which bound. Or what `each` errs with.
    pub fn for_each_piece<E: From<EncodeError>>(
        mut self,
        mut each: impl FnMut(u64, &mut RingVector) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut clamped = 0;
        let mut norm_squared = 0_u128;
        let bits = self.layout.bits();
        let mut piece = Zeroizing::new(RingVector::zeros(bits, 0));
        let values = self.values.chunks(PIECE_ELEMENTS as usize);
        for (index, values) in (0..).zip(values) {
            let first = index * PIECE_ELEMENTS;
            if piece.len() != values.len() {
                piece = Zeroizing::new(RingVector::zeros(bits, values.len()));
            }
            let beyond = match piece.lanes_mut() {
                Lanes::Narrow(lanes) => self.quantize(first, values, lanes),
                Lanes::Wide(lanes) => self.quantize(first, values, lanes),
            };
            if beyond > 0 {
                clamped += self.clamped(first, values)?;
            }
            if self.l2_bound.is_some() {
                norm_squared = piece
                    .signed()
                    .fold(norm_squared, |sum, value| sum.saturating_add(square(value)));
            }
            if let Some(mask) = &mut self.mask {
                mask.wrapping_add_from(first, &mut piece)
                    .map_err(EncodeError::from)?;
            }
            each(first, &mut piece)?;
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

    /// Zero if no element is beyond the clip and all are numbers.
    fn quantize<L: Lane>(&mut self, first: u64, values: &[V], lanes: &mut [L]) -> u64 {
        let (low, bounds) = (self.layout.bits().low_mask(), self.bounds);
        // Four words in a block of the cipher, and below 2^32 elements.
        let start = (first / 4) as u32;
        let mut beyond = 0;
        match (&mut self.rounding, bounds.way::<V>()) {
            (Some(stream), Way::Single) => {
                let singles = Singles {
                    values,
                    lanes,
                    low,
                    weight: bounds.weight,
                    at_random: self.at_random,
                    beyond: &mut beyond,
                    staged: &mut self.staged,
                };
                stream.pour(start, singles);
            }
            (stream, _) => {
                let quantize = Quantize {
                    values,
                    lanes,
                    low,
                    bounds,
                    beyond: &mut beyond,
                };
                match stream {
                    Some(stream) => stream.pour(start, quantize),
                    None => on_this_processor(quantize),
                }
            }
        }
        beyond
    }

    /// How many of these are beyond the clip, or the first that is at fault.
    fn clamped(&self, first: u64, values: &[V]) -> Result<u64, EncodeError> {
        let Bounds { scale, clip, .. } = self.bounds;
        let refuse = self.out_of_range == OutOfRange::Refuse;
        let mut clamped = 0;
        for (index, value) in (first..).zip(values) {
            let value: f64 = (*value).into();
            if !value.is_finite() {
                return Err(EncodeError::NotFinite { index });
            }
            let beyond = (value * scale).abs() > clip;
            if refuse && beyond {
                let clip = clip / scale;
                return Err(EncodeError::BeyondClip { index, clip });
            }
            clamped += u64::from(beyond);
        }
        Ok(clamped)
    }
}

/// Elements that are encoded, masked and packed at a time, while a processor's nearest cache has them.
/// A quarter of a block, so that pieces end on bytes and begin with 16 bytes of keystream.
pub const PIECE_ELEMENTS: u64 = 4096;
