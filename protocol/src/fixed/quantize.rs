//! Many elements at a time: clip, scale, round, weigh, without a branch on values.
//!
//! Written so that a compiler makes vector code of it: no conversion that saturates, no `floor`.
//! For |t| < 2^51 the sum t + 1.5 x 2^52 is a number whose last bit is worth 1, so it is t
//! rounded to an integer, and that integer is in its low bits.

// Bit tricks on floats below 2^51; the ring's arithmetic wraps on purpose.
#![allow(clippy::as_conversions, clippy::arithmetic_side_effects)]

use core::hint::black_box;

use super::Number;
use super::single::{self, ToNearest};
use super::step::{Step, step};
use crate::mask::{Sink, Work};
use crate::params::RoundTerms;
use crate::ring::Lane;

/// What a round asks of each element of one client.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) scale: f64,
    pub(super) clip: f64,
    pub(super) weight: u32,
}

impl Bounds {
    pub(super) fn new(terms: &RoundTerms, weight: u32) -> Self {
        Self {
            scale: super::scale(terms),
            clip: terms.clip as f64,
            weight,
        }
    }

    pub(super) fn way<V: Width>(&self) -> Way {
        if V::SINGLE && self.clip <= single::CLIP {
            Way::Single
        } else if self.clip <= USUAL_CLIP && self.weight == 1 {
            Way::Usual
        } else if self.clip <= WIDE_CLIP {
            Way::Wide
        } else {
            Way::Slow
        }
    }
}

/// How much care the numbers need.
pub(super) enum Way {
    /// As 32-bit floats.
    Single,
    /// None: beside 2^20 a dither of 32 bits still fits the 53 of a float. And there is no weight.
    Usual,
    /// Sums may be rounded, integers are exact.
    Wide,
    /// Magic numbers are no larger than these.
    Slow,
}

/// A block's values on their way into lanes.
pub(super) struct Quantize<'a, V, L> {
    pub(super) values: &'a [V],
    pub(super) lanes: &'a mut [L],
    pub(super) low: u64,
    pub(super) bounds: Bounds,
    /// Counts the elements beyond the clip, and those that are no numbers.
    pub(super) beyond: &'a mut u64,
}

/// Rounds at random: the keystream is the rounding stream.
impl<V: Number, L: Lane> Sink for Quantize<'_, V, L> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) -> bool {
        let count = keystream
            .as_chunks::<4>()
            .0
            .len()
            .min(self.values.len())
            .min(self.lanes.len());
        let (values, later_values) = self.values.split_at(count);
        let (lanes, later_lanes) = core::mem::take(&mut self.lanes).split_at_mut(count);
        // Unknown each time, so that compilers keep nothing that follows from them in registers from
        // one time to the next: the cipher's keys and blocks need these, and without them it has been
        // seen to be half as fast.
        let mut now = Quantize {
            values,
            lanes,
            bounds: black_box(self.bounds),
            low: self.low,
            beyond: self.beyond,
        };
        now.round(Some(keystream));
        self.values = later_values;
        self.lanes = later_lanes;
        !self.lanes.is_empty() && !self.values.is_empty()
    }
}

/// Rounds to nearest.
impl<V: Number, L: Lane> Work for Quantize<'_, V, L> {
    #[inline(always)]
    fn run(mut self) {
        self.round(None);
    }
}

impl<V: Number, L: Lane> Quantize<'_, V, L> {
    #[inline(always)]
    fn round(&mut self, words: Option<&[u8]>) {
        let beyond = match (self.bounds.way::<V>(), words) {
            // At random, these go another way: see `single`.
            (Way::Single, None) => self.round_singles_to_nearest(),
            (Way::Usual, Some(words)) => self.round_at_random::<true>(words),
            (Way::Usual, None) => self.round_to_nearest::<true>(),
            (Way::Single | Way::Wide, Some(words)) => self.round_at_random::<false>(words),
            (Way::Wide, None) => self.round_to_nearest::<false>(),
            (Way::Slow, words) => self.round_slowly(words),
        };
        *self.beyond += beyond;
    }

    #[inline(always)]
    fn round_singles_to_nearest(&mut self) -> u64 {
        let round = ToNearest::new(&self.bounds);
        let (weight, mut beyond) = (self.bounds.weight, 0);
        for (lane, value) in self.lanes.iter_mut().zip(self.values) {
            *lane = L::weighed(round.round(value.single(), &mut beyond), weight, self.low);
        }
        beyond.into()
    }

    #[inline(always)]
    fn round_at_random<const USUAL: bool>(&mut self, words: &[u8]) -> u64 {
        let Bounds {
            scale,
            clip,
            weight,
        } = self.bounds;
        let weight = if USUAL { 1 } else { weight };
        // The sum of a large clip and a dither below 1 may be rounded up to one more.
        let highest = (clip + 1.0).next_down() * TWO_TO_32;
        // All of it 2^32 times as large, so that the dither is an integer.
        let (scale, clip, magic) = (scale * TWO_TO_32, clip * TWO_TO_32, MAGIC * TWO_TO_32);
        let mut beyond = 0;
        let values = self.values.iter().zip(words.as_chunks().0);
        for (lane, (value, word)) in self.lanes.iter_mut().zip(values) {
            let clipped = clamp((*value).into() * scale, clip, &mut beyond);
            let sum = clipped + f64::from(u32::from_le_bytes(*word));
            let sum = if USUAL || sum < highest { sum } else { highest };
            let nearest = sum + magic;
            let one_less = u64::from(nearest - magic > sum);
            let floor = integer(nearest, magic).wrapping_sub(one_less);
            *lane = L::weighed(floor, weight, self.low);
        }
        beyond.into()
    }

    /// Half away from zero.
    #[inline(always)]
    fn round_to_nearest<const USUAL: bool>(&mut self) -> u64 {
        let Bounds {
            scale,
            clip,
            weight,
        } = self.bounds;
        let weight = if USUAL { 1 } else { weight };
        let mut beyond = 0;
        for (lane, value) in self.lanes.iter_mut().zip(self.values) {
            let clipped = clamp((*value).into() * scale, clip, &mut beyond);
            let nearest = clipped + MAGIC;
            // The sum rounds a half to even, which is towards zero for every other one.
            let half = 0.5_f64.copysign(clipped);
            let towards_zero = clipped - (nearest - MAGIC) == half;
            let away = nearest + if towards_zero { half + half } else { 0.0 };
            *lane = L::weighed(integer(away, MAGIC), weight, self.low);
        }
        beyond.into()
    }

    fn round_slowly(&mut self, words: Option<&[u8]>) -> u64 {
        let mut words = words.map(|words| words.as_chunks().0.iter());
        let mut beyond = 0;
        for (lane, value) in self.lanes.iter_mut().zip(self.values) {
            let word = words.as_mut().and_then(Iterator::next);
            let word = word.map(|word| u32::from_le_bytes(*word));
            *lane = slowly(*value, word, &self.bounds, self.low, &mut beyond);
        }
        beyond
    }
}

/// Clips a scaled value; counts it if it was beyond, or no number.
#[inline(always)]
fn clamp(scaled: f64, clip: f64, beyond: &mut u32) -> f64 {
    // Not `f64::clamp`, which keeps what is no number; here that becomes the bound, and differs.
    let below = if scaled < clip { scaled } else { clip };
    let clipped = if below > -clip { below } else { -clip };
    *beyond += u32::from(clipped != scaled);
    clipped
}

/// How many bits a number has.
pub trait Width: Copy {
    /// 32.
    const SINGLE: bool;
    /// The number as one of 32 bits, which it is if `SINGLE`.
    fn single(self) -> f32;
}

impl Width for f64 {
    const SINGLE: bool = false;

    #[inline(always)]
    fn single(self) -> f32 {
        self as f32
    }
}

impl Width for f32 {
    const SINGLE: bool = true;

    #[inline(always)]
    fn single(self) -> f32 {
        self
    }
}

/// The two's complement of the integer in the low bits of a sum with a magic number.
#[inline(always)]
fn integer(sum: f64, magic: f64) -> u64 {
    sum.to_bits().wrapping_sub(magic.to_bits())
}

fn slowly<V: Number, L: Lane>(
    value: V,
    word: Option<u32>,
    bounds: &Bounds,
    low: u64,
    beyond: &mut u64,
) -> L {
    let encoded = match step(bounds, value.into(), word) {
        Step::Within(encoded) => encoded,
        Step::Clamped(encoded) => {
            *beyond += 1;
            encoded
        }
        Step::NotFinite => {
            *beyond += 1;
            0
        }
    };
    L::weighed(encoded as u64, 1, low)
}

pub(super) const TWO_TO_32: f64 = 4_294_967_296.0;
/// 1.5 x 2^52.
const MAGIC: f64 = 6_755_399_441_055_744.0;
const USUAL_CLIP: f64 = 1_048_576.0;
/// 2^50: with a dither added it stays below 2^51.
const WIDE_CLIP: f64 = 1_125_899_906_842_624.0;
