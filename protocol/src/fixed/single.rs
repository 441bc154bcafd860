//! 32-bit floats as they are: twice as many go into a vector as of 64 bits, and no product is made.
//!
//! Let V = s + u / 2^32, s being the scaled, clipped value. docs/PROTOCOL.md asks for the floor of V
//! as a 64-bit float, which is V's own but for one case: the float is 1 if V is up to 2^-54 below
//! it, s being positive and below 2^-30 then.
//!
//! One addition gives it: s - c is added to 1.5 x 2^20 + u / 2^32, whose last bit is worth 2^-32, and
//! what stands above the low 32 bits of the sum is the integer. Of |s| from 2^-8 on, no bit is worth
//! less than 2^-32: the sum is exact, and c too small to change s. Below, the sum is rounded. With a
//! c of 2^-33, V stays at an integer that it has reached, since a tie goes to the even one, and
//! stays below one that it has not reached by d, if s - c is right to less than d. Two kinds of s
//! are moved before, by less than it takes to change a floor otherwise: positive ones up by the
//! 2^-54 above, and negative ones above -2^-33 down to there, lest they vanish beside c. The float
//! next below 2^-33 is c, so that it changes no s of which half of the last bit is worth 2^-33.
//!
//! Everything is divided by 2^f instead of multiplying the values by it: that is exact.

// Bit tricks on floats of known size; the ring's arithmetic wraps on purpose.
#![allow(clippy::as_conversions, clippy::arithmetic_side_effects)]

use core::hint::black_box;

use zeroize::Zeroize;

use super::quantize::{Bounds, Width};
use crate::mask::Sink;
use crate::ring::Lane;

/// Room for values on their way: whole lines of a cache, none of which a vector lies across.
#[repr(align(64))]
pub(super) struct Staged([u8; STAGED * 4]);
crate::secret!(Staged);

impl Zeroize for Staged {
    // Not derived: an array would be erased byte after byte, and a slice is not.
    fn zeroize(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl Staged {
    pub(super) const EMPTY: Self = Self([0; STAGED * 4]);
}

/// As many as the most keystream that a cipher makes at a time has words.
pub(super) const STAGED: usize = 256;

/// Up to here the sums keep to their binade.
pub(super) const CLIP: f64 = 524_287.0;

/// Rounding at random.
#[derive(Clone, Copy)]
pub(super) struct AtRandom {
    clip: f32,
    /// -2^-33.
    least_negative: f32,
    /// The float next below 2^-54.
    up: f32,
    /// The one next below 2^-33.
    c: f32,
    /// 1.5 x 2^20, a further 2^896 times as small, which [`widened`] values are too.
    magic: u64,
}

impl AtRandom {
    #[inline(always)]
    pub(super) fn new(bounds: &Bounds) -> Self {
        let step = 1.0 / bounds.scale;
        let half = step / (2.0 * super::quantize::TWO_TO_32);
        Self {
            clip: (bounds.clip * step) as f32,
            least_negative: -half as f32,
            up: ((half / 2_097_152.0) as f32).next_down(),
            c: (half as f32).next_down(),
            magic: (1_572_864.0 * step).to_bits() - (896 << 52),
        }
    }

    /// Gives each lane its value, rounded by its word of `keystream`; zero if none was beyond the clip,
    /// and all were numbers. No more values than [`STAGED`], no fewer words.
    #[inline(always)]
    fn round<L: Lane>(
        &self,
        values: &[impl Width],
        keystream: &[u8],
        lanes: &mut [L],
        (weight, low): (u32, u64),
        staged: &mut Staged,
    ) -> u32 {
        let mut beyond = 0;
        for (to, value) in staged.0.as_chunks_mut().0.iter_mut().zip(values) {
            let value = value.single();
            let clipped = clip(value, self.clip);
            // One instruction less than counting; counted is what few updates have.
            beyond |= clipped.to_bits() ^ value.to_bits();
            let least = self.least_negative;
            let least = if clipped < least { clipped } else { least };
            let moved = if clipped < 0.0 {
                least
            } else {
                clipped + self.up
            };
            *to = (moved - self.c).to_bits().to_le_bytes();
        }
        // Two at a time, so that none has to change its place: the first in a word's low half.
        let words = keystream.as_chunks().0;
        for (pair, word) in staged.0.as_chunks_mut().0.iter_mut().zip(words) {
            let (values, word) = (u64::from_le_bytes(*pair), u64::from_le_bytes(*word));
            let first = widened(values << 32) + f64::from_bits(word & !HIGH | self.magic);
            let second = widened(values) + f64::from_bits(word >> 32 | self.magic);
            *pair = (first.to_bits() >> 32 | second.to_bits() & HIGH).to_le_bytes();
        }
        let magic = (self.magic >> 32) as u32;
        let sums = staged.0.as_chunks().0;
        if weight == 1 {
            weigh::<true, L>(lanes, sums, magic, weight, low);
        } else {
            weigh::<false, L>(lanes, sums, magic, weight, low);
        }
        beyond
    }
}

/// 32-bit floats on their way into lanes, rounded at random.
pub(super) struct Singles<'a, V, L> {
    pub(super) values: &'a [V],
    pub(super) lanes: &'a mut [L],
    pub(super) low: u64,
    pub(super) weight: u32,
    /// Made beforehand: it takes as long as rounding some dozens of floats.
    pub(super) at_random: AtRandom,
    /// Becomes other than zero by an element beyond the clip, or that is no number.
    pub(super) beyond: &'a mut u64,
    /// Room that whoever lends it erases.
    pub(super) staged: &'a mut Staged,
}

impl<V: Width, L: Lane> Singles<'_, V, L> {
    #[inline(always)]
    fn round(&mut self, values: &[V], keystream: &[u8], lanes: &mut [L]) {
        // Unknown each time, so that compilers keep nothing that follows from it in registers from one
        // time to the next: the cipher's keys and blocks need these, and without them it has been
        // seen to be half as fast.
        let at_random = black_box(self.at_random);
        let weight = (self.weight, self.low);
        let beyond = at_random.round(values, keystream, lanes, weight, self.staged);
        *self.beyond |= u64::from(beyond);
    }

    /// The same of any lengths.
    #[inline(never)]
    fn take_in_parts(&mut self, keystream: &[u8]) -> bool {
        for words in keystream.chunks(STAGED * 4) {
            let count = (words.len() / 4)
                .min(self.values.len())
                .min(self.lanes.len());
            let (values, later_values) = self.values.split_at(count);
            let (lanes, later_lanes) = core::mem::take(&mut self.lanes).split_at_mut(count);
            self.round(values, words, lanes);
            self.values = later_values;
            self.lanes = later_lanes;
        }
        !self.lanes.is_empty() && !self.values.is_empty()
    }
}

/// The keystream is the rounding stream.
impl<V: Width, L: Lane> Sink for Singles<'_, V, L> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) -> bool {
        let count = keystream.len() / 4;
        if count > STAGED || self.values.len() < count || self.lanes.len() < count {
            return self.take_in_parts(keystream);
        }
        // Compilers know how much a cipher makes at a time: of so many values they make one run of
        // instructions, without a loop or a question about what is left over.
        let (values, later_values) = self.values.split_at(count);
        let (lanes, later_lanes) = core::mem::take(&mut self.lanes).split_at_mut(count);
        self.round(values, keystream, lanes);
        self.values = later_values;
        self.lanes = later_lanes;
        !self.lanes.is_empty() && !self.values.is_empty()
    }
}

/// Rounding to nearest, half away from zero.
#[derive(Clone, Copy)]
pub(super) struct ToNearest {
    clip: f32,
    step: f32,
    /// 1.5 x 2^23: beside it, the last bit is worth 1.
    magic: f32,
}

impl ToNearest {
    #[inline(always)]
    pub(super) fn new(bounds: &Bounds) -> Self {
        let step = 1.0 / bounds.scale;
        Self {
            clip: (bounds.clip * step) as f32,
            step: step as f32,
            magic: (12_582_912.0 * step) as f32,
        }
    }

    /// The integer, in two's complement.
    #[inline(always)]
    pub(super) fn round(&self, value: f32, beyond: &mut u32) -> u64 {
        let clipped = clamp(value, self.clip, beyond);
        let nearest = clipped + self.magic;
        // The sum rounds a half to even, which is towards zero for every other one.
        let step = self.step.copysign(clipped);
        let towards_zero = clipped - (nearest - self.magic) == step / 2.0;
        let away = nearest + if towards_zero { step } else { 0.0 };
        signed(away.to_bits().wrapping_sub(self.magic.to_bits()))
    }
}

/// Clips a value; counts it if it was beyond, or no number.
#[inline(always)]
fn clamp(value: f32, bound: f32, beyond: &mut u32) -> f32 {
    let clipped = clip(value, bound);
    *beyond += u32::from(clipped != value);
    clipped
}

#[inline(always)]
fn clip(value: f32, clip: f32) -> f32 {
    // Not `f32::clamp`, which keeps what is no number; here that becomes the bound, and differs.
    let below = if value < clip { value } else { clip };
    if below > -clip { below } else { -clip }
}

/// The 64-bit float that is 2^896 times as small as the 32-bit float, not subnormal, in the high
/// half: its exponent has three more bits, whose bias is left out.
#[inline(always)]
fn widened(high: u64) -> f64 {
    f64::from_bits(((high as i64) >> 3) as u64 & 0x8fff_ffff_e000_0000)
}

#[inline(always)]
fn signed(integer: u32) -> u64 {
    i64::from(integer as i32) as u64
}

#[inline(always)]
fn weigh<const ONE: bool, L: Lane>(
    lanes: &mut [L],
    sums: &[[u8; 4]],
    magic: u32,
    weight: u32,
    low: u64,
) {
    // A weight that the compiler knows costs no product.
    let weight = if ONE { 1 } else { weight };
    for (lane, sum) in lanes.iter_mut().zip(sums) {
        let integer = signed(u32::from_le_bytes(*sum).wrapping_sub(magic));
        *lane = L::weighed(integer, weight, low);
    }
}

const HIGH: u64 = 0xffff_ffff_0000_0000;

#[cfg(test)]
mod tests;
