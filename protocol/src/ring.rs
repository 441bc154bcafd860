//! The ring: integers modulo 2^k, in vectors of lanes.
//!
//! This is the one file with ring arithmetic; each operation wraps on purpose
//! and says so by its name. Nothing here branches on values. That an honest sum
//! never wraps is proven in `plan.rs` (I6), not here.

// Wrapping is this file's subject; `as` between lanes of known width is lossless or meant.
#![allow(clippy::as_conversions, clippy::arithmetic_side_effects)]

use core::fmt;
use core::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// The ring's width k: 8 to 32, or 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct RingBits(u8);

impl RingBits {
    /// Checks a width.
    ///
    /// # Errors
    /// [`RingBitsError`] for a width that is not 8 to 32, or 64.
    pub const fn new(bits: u8) -> Result<Self, RingBitsError> {
        match bits {
            8..=32 | 64 => Ok(Self(bits)),
            _ => Err(RingBitsError(bits)),
        }
    }

    /// k.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0 as u32
    }

    /// k, for arithmetic on sizes.
    #[must_use]
    pub const fn get_u64(self) -> u64 {
        self.0 as u64
    }

    /// The largest value of the signed reading, 2^(k-1) - 1.
    #[must_use]
    pub const fn signed_max(self) -> u64 {
        (1_u64 << (self.0 - 1)) - 1
    }

    /// The low k bits set.
    #[must_use]
    pub const fn low_mask(self) -> u64 {
        u64::MAX >> (64 - self.0)
    }

    /// Bytes of one lane: 4 up to 32 bits, 8 for 64.
    #[must_use]
    pub const fn lane_bytes(self) -> u64 {
        if self.0 <= 32 { 4 } else { 8 }
    }
}

impl TryFrom<u8> for RingBits {
    type Error = RingBitsError;

    fn try_from(bits: u8) -> Result<Self, RingBitsError> {
        Self::new(bits)
    }
}

impl From<RingBits> for u8 {
    fn from(bits: RingBits) -> Self {
        bits.0
    }
}

impl fmt::Display for RingBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A ring width that the protocol does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ring_bits is 8 to 32, or 64, not {0}")]
pub struct RingBitsError(pub u8);

/// Two vectors of unequal length or width were to be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("vectors of unequal length or ring width do not add up")]
pub struct ShapeMismatch;

/// Elements of the ring, one per lane; every lane is below 2^k.
///
/// No `Debug`, `Clone` or `PartialEq`: a vector may hold a client's values.
#[derive(Zeroize)]
pub struct RingVector {
    #[zeroize(skip)]
    bits: RingBits,
    lanes: Lanes,
}
crate::secret!(RingVector);

#[derive(Zeroize)]
pub(crate) enum Lanes {
    Narrow(Elements<u32>),
    Wide(Elements<u64>),
}

/// Elements in memory. Zeros begin with a line of the cache, so that a processor's vectors lie across
/// none: each that does takes twice the time.
#[derive(Zeroize)]
pub(crate) struct Elements<L: Zeroize> {
    held: Vec<L>,
    #[zeroize(skip)]
    start: usize,
}
crate::secret!(Elements<u32>);

impl<L: Copy + Default + Zeroize> Elements<L> {
    fn zeros(len: usize) -> Self {
        let spare = LINE_BYTES / size_of::<L>();
        let mut held = vec![L::default(); len.saturating_add(spare)];
        // Where it can't be said, anywhere is right.
        let start = held.as_ptr().align_offset(LINE_BYTES).min(spare);
        held.truncate(start.saturating_add(len));
        Self { held, start }
    }
}

impl<L: Zeroize> FromIterator<L> for Elements<L> {
    fn from_iter<I: IntoIterator<Item = L>>(elements: I) -> Self {
        let held = elements.into_iter().collect();
        Self { held, start: 0 }
    }
}

impl<L: Zeroize> Deref for Elements<L> {
    type Target = [L];

    #[inline]
    fn deref(&self) -> &[L] {
        self.held.split_at(self.start).1
    }
}

impl<L: Zeroize> DerefMut for Elements<L> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [L] {
        self.held.split_at_mut(self.start).1
    }
}

/// Of each processor that the cipher has its own code for.
const LINE_BYTES: usize = 64;

impl RingVector {
    /// `len` zeros.
    #[must_use]
    pub fn zeros(bits: RingBits, len: usize) -> Self {
        let lanes = if bits.get() <= 32 {
            Lanes::Narrow(Elements::zeros(len))
        } else {
            Lanes::Wide(Elements::zeros(len))
        };
        Self { bits, lanes }
    }

    /// The signed integers, each modulo 2^k.
    pub fn from_signed(bits: RingBits, values: impl Iterator<Item = i64>) -> Self {
        let low = bits.low_mask();
        let wrapped = values.map(|value| value as u64 & low);
        let lanes = if bits.get() <= 32 {
            Lanes::Narrow(wrapped.map(|value| value as u32).collect())
        } else {
            Lanes::Wide(wrapped.collect())
        };
        Self { bits, lanes }
    }

    pub(crate) fn from_lanes(bits: RingBits, lanes: Lanes) -> Self {
        Self { bits, lanes }
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    pub(crate) fn lanes_mut(&mut self) -> &mut Lanes {
        &mut self.lanes
    }

    /// The ring's width.
    #[must_use]
    pub const fn bits(&self) -> RingBits {
        self.bits
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.lanes {
            Lanes::Narrow(lanes) => lanes.len(),
            Lanes::Wide(lanes) => lanes.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds `other`, element by element, modulo 2^k.
    ///
    /// # Errors
    /// [`ShapeMismatch`]; nothing was added.
    pub fn wrapping_add(&mut self, other: &Self) -> Result<(), ShapeMismatch> {
        self.combine(other, u32::wrapping_add, u64::wrapping_add)
    }

    /// Subtracts `other`, element by element, modulo 2^k.
    ///
    /// # Errors
    /// [`ShapeMismatch`]; nothing was subtracted.
    pub fn wrapping_sub(&mut self, other: &Self) -> Result<(), ShapeMismatch> {
        self.combine(other, u32::wrapping_sub, u64::wrapping_sub)
    }

    fn combine(
        &mut self,
        other: &Self,
        narrow: impl Fn(u32, u32) -> u32,
        wide: impl Fn(u64, u64) -> u64,
    ) -> Result<(), ShapeMismatch> {
        if self.bits != other.bits || self.len() != other.len() {
            return Err(ShapeMismatch);
        }
        let low = self.bits.low_mask();
        match (&mut self.lanes, &other.lanes) {
            (Lanes::Narrow(a), Lanes::Narrow(b)) => {
                for (a, b) in a.iter_mut().zip(b.iter()) {
                    *a = narrow(*a, *b) & low as u32;
                }
            }
            (Lanes::Wide(a), Lanes::Wide(b)) => {
                for (a, b) in a.iter_mut().zip(b.iter()) {
                    *a = wide(*a, *b) & low;
                }
            }
            // Equal widths have equal lanes.
            _ => return Err(ShapeMismatch),
        }
        Ok(())
    }

    /// The elements read as two's complement of k bits.
    pub fn signed(&self) -> impl Iterator<Item = i64> + '_ {
        let shift = 64 - self.bits.get();
        let extend = move |value: u64| ((value << shift) as i64) >> shift;
        let (narrow, wide): (&[u32], &[u64]) = match &self.lanes {
            Lanes::Narrow(lanes) => (lanes, &[]),
            Lanes::Wide(lanes) => (&[], lanes),
        };
        narrow
            .iter()
            .map(|lane| u64::from(*lane))
            .chain(wide.iter().copied())
            .map(extend)
    }
}

/// Adds one little-endian word to each lane, or subtracts it, modulo 2^k, `low` being the low k
/// bits. Words or lanes beyond the other's end are left alone.
///
/// Inlined, so that it is compiled for the processor that the keystream is made for.
#[inline(always)]
pub(crate) fn wrapping_mix_words<const SUB: bool, L: Lane>(
    lanes: &mut [L],
    words: &[u8],
    low: u64,
) {
    for (lane, word) in lanes.iter_mut().zip(words.chunks_exact(size_of::<L>())) {
        *lane = if SUB {
            lane.wrapping_sub_le(word, low)
        } else {
            lane.wrapping_add_le(word, low)
        };
    }
}

/// The sum of two elements of which `low` is kept.
///
/// Inlined, as the above, into loops that are compiled for one width each.
#[inline(always)]
pub(crate) fn wrapping_add_low(a: u32, b: u32, low: u32) -> u32 {
    a.wrapping_add(b) & low
}

/// What an element is held in.
pub(crate) trait Lane: Copy {
    /// The sum with a little-endian word of a lane's bytes, of which `low` is kept.
    fn wrapping_add_le(self, word: &[u8], low: u64) -> Self;
    /// The difference, likewise.
    fn wrapping_sub_le(self, word: &[u8], low: u64) -> Self;
    /// The product of a two's complement integer and a weight, of which `low` is kept.
    fn weighed(integer: u64, weight: u32, low: u64) -> Self;
}

impl Lane for u32 {
    #[inline(always)]
    fn wrapping_add_le(self, word: &[u8], low: u64) -> Self {
        self.wrapping_add(Self::from_le_bytes(word.try_into().unwrap_or_default())) & low as Self
    }

    #[inline(always)]
    fn wrapping_sub_le(self, word: &[u8], low: u64) -> Self {
        self.wrapping_sub(Self::from_le_bytes(word.try_into().unwrap_or_default())) & low as Self
    }

    #[inline(always)]
    fn weighed(integer: u64, weight: u32, low: u64) -> Self {
        (integer as Self).wrapping_mul(weight) & low as Self
    }
}

impl Lane for u64 {
    #[inline(always)]
    fn wrapping_add_le(self, word: &[u8], low: u64) -> Self {
        self.wrapping_add(Self::from_le_bytes(word.try_into().unwrap_or_default())) & low
    }

    #[inline(always)]
    fn wrapping_sub_le(self, word: &[u8], low: u64) -> Self {
        self.wrapping_sub(Self::from_le_bytes(word.try_into().unwrap_or_default())) & low
    }

    #[inline(always)]
    fn weighed(integer: u64, weight: u32, low: u64) -> Self {
        integer.wrapping_mul(weight.into()) & low
    }
}
