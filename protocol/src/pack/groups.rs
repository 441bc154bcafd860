//! Packing by groups of elements that end on a byte, compiled once for each width.
//!
//! With k a constant, every shift is one, no state goes from one group to the next, and nothing is
//! left for the processor to decide. Elements after the last whole group go one by one.

// Shifts stay below the words' bits and places within the groups: both follow from constants.
// `as` keeps low bits on purpose.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

use zeroize::Zeroize as _;

use crate::RingBits;
use crate::mask::{Work, on_this_processor};
use crate::ring::{wrapping_add_low, wrapping_mix_words};

/// Packs elements of at most 32 bits into exactly their bytes.
pub(super) fn pack(lanes: &[u32], bits: RingBits, bytes: &mut [u8]) {
    macro_rules! pack_by_width {
        ($($k:literal)*) => {
            match bits.get() {
                8 => pack_whole_bytes::<1>(lanes, bytes),
                16 => pack_whole_bytes::<2>(lanes, bytes),
                $($k => pack_groups::<$k>(lanes, bytes),)*
                _ => pack_whole_bytes::<4>(lanes, bytes),
            }
        };
    }
    pack_by_width!(9 10 11 12 13 14 15 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

/// Unpacks elements of at most 32 bits in place of the lanes, or adds them to the lanes.
pub(super) fn unpack<const ADD: bool>(bytes: &[u8], bits: RingBits, lanes: &mut [u32]) {
    macro_rules! unpack_by_width {
        ($($k:literal)*) => {
            match bits.get() {
                8 => unpack_whole_bytes::<1, ADD>(bytes, lanes),
                16 => unpack_whole_bytes::<2, ADD>(bytes, lanes),
                $($k => unpack_groups::<$k, ADD>(bytes, lanes),)*
                _ if ADD => wrapping_mix_words::<false, _>(lanes, bytes, bits.low_mask()),
                _ => unpack_whole_bytes::<4, false>(bytes, lanes),
            }
        };
    }
    unpack_by_width!(9 10 11 12 13 14 15 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
}

/// A constant's code for each of these constants: no loop that might be left a loop.
macro_rules! for_each {
    ($step:ident: $($i:literal)*) => { $($step!($i);)* };
}

fn pack_groups<const K: usize>(lanes: &[u32], bytes: &mut [u8]) {
    let (groups, last_lanes) = lanes.as_chunks::<PACKED_TOGETHER>();
    let mut packed = bytes.chunks_exact_mut(K * PACKED_TOGETHER / 8);
    for (group, packed) in groups.iter().zip(&mut packed) {
        // 32 elements are 4 x k bytes: half a word is left if k is odd.
        let (words, half) = packed.as_chunks_mut::<8>();
        let mut word = 0_u64;
        macro_rules! step {
            ($i:literal) => {{
                let lane = u64::from(group[$i]);
                let held = $i * K % 64;
                word |= lane << held;
                if held + K >= 64 {
                    if let Some(to) = words.get_mut($i * K / 64) {
                        *to = word.to_le_bytes();
                    }
                    // Shifted by 64, nothing would be left.
                    word = if held + K > 64 {
                        lane >> (64 - held)
                    } else {
                        0
                    };
                }
            }};
        }
        for_each!(step: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        if let Some(to) = half.first_chunk_mut() {
            *to = (word as u32).to_le_bytes();
        }
    }
    pack_one_by_one(last_lanes, K, packed.into_remainder());
}

fn unpack_groups<const K: usize, const ADD: bool>(bytes: &[u8], lanes: &mut [u32]) {
    let (eights, last_bytes) = bytes.as_chunks::<K>();
    let (groups, last_lanes) = lanes.as_chunks_mut::<8>();
    let mut pairs = Pairs::EMPTY;
    let runs = eights.chunks(Pairs::COUNT / 4);
    for (eights, groups) in runs.zip(groups.chunks_mut(Pairs::COUNT / 4)) {
        for (eight, pairs) in eights.iter().zip(pairs.0.as_chunks_mut().0) {
            *pairs = pairs_of(eight).map(u64::to_le_bytes);
        }
        let lanes = groups.as_flattened_mut();
        let (pairs, _) = pairs.0.split_at_mut(lanes.len() / 2);
        on_this_processor(Split::<ADD> { pairs, lanes, k: K });
    }
    pairs.0.as_flattened_mut().zeroize();
    unpack_one_by_one::<ADD>(last_bytes, K, last_lanes);
}

/// From pairs to lanes. A step of its own, with a width that is no constant: few lines that compilers make
/// vectors of, for each processor that the cipher knows.
struct Split<'a, const ADD: bool> {
    pairs: &'a mut [[u8; 8]],
    lanes: &'a mut [u32],
    k: usize,
}

impl<const ADD: bool> Work for Split<'_, ADD> {
    #[inline(always)]
    fn run(self) {
        let low = low_mask(self.k);
        let (first, second) = (u64::from(low), u64::from(low) << 32);
        for pair in &mut *self.pairs {
            let joined = u64::from_le_bytes(*pair);
            *pair = (joined & first | joined << (32 - self.k) & second).to_le_bytes();
        }
        let elements = self.pairs.as_flattened().as_chunks().0;
        for (lane, element) in self.lanes.iter_mut().zip(elements) {
            put::<ADD>(lane, u32::from_le_bytes(*element), low);
        }
    }
}

/// Words that hold two elements each: whole lines of a cache, 2 KiB, which stay in a processor's nearest one.
/// So many make up for the call that splits them.
#[repr(align(64))]
struct Pairs([[u8; 8]; Self::COUNT]);

impl Pairs {
    const COUNT: usize = 256;
    const EMPTY: Self = Self([[0; 8]; Self::COUNT]);
}

/// Eight elements by two, the first at the bottom; above them may be bits of the next.
#[inline(always)]
fn pairs_of<const K: usize>(eight: &[u8; K]) -> [u64; 4] {
    let mut pairs = [0; 4];
    macro_rules! step {
        ($i:literal) => {{
            let (place, shift) = window::<K>(2 * $i * K);
            let pair = word_at(eight, place) >> shift;
            pairs[$i] = if shift + 2 * K <= 64 {
                pair
            } else {
                let (place, shift) = window::<K>(2 * $i * K + K);
                pair & u64::from(low_mask(K)) | word_at(eight, place) >> shift << K
            };
        }};
    }
    for_each!(step: 0 1 2 3);
    pairs
}

/// The last word that has this bit at its bottom byte and ends within k bytes, and where in it.
#[inline(always)]
const fn window<const K: usize>(bit: usize) -> (usize, usize) {
    let place = if bit / 8 < K - 8 { bit / 8 } else { K - 8 };
    (place, bit - 8 * place)
}

#[inline(always)]
fn word_at(bytes: &[u8], place: usize) -> u64 {
    let word = bytes.get(place..).and_then(<[u8]>::first_chunk);
    u64::from_le_bytes(*word.unwrap_or(&[0; 8]))
}

#[inline(always)]
fn put<const ADD: bool>(lane: &mut u32, element: u32, low: u32) {
    *lane = if ADD {
        wrapping_add_low(*lane, element, low)
    } else {
        element
    };
}

fn pack_whole_bytes<const N: usize>(lanes: &[u32], bytes: &mut [u8]) {
    for (to, lane) in bytes.as_chunks_mut::<N>().0.iter_mut().zip(lanes) {
        to.copy_from_slice(lane.to_le_bytes().first_chunk::<N>().unwrap_or(&[0; N]));
    }
}

fn unpack_whole_bytes<const N: usize, const ADD: bool>(bytes: &[u8], lanes: &mut [u32]) {
    for (from, lane) in bytes.as_chunks::<N>().0.iter().zip(lanes) {
        let mut word = [0; 4];
        word.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        put::<ADD>(lane, u32::from_le_bytes(word), low_mask(8 * N));
    }
}

fn pack_one_by_one(lanes: &[u32], k: usize, bytes: &mut [u8]) {
    let mut bytes = bytes.iter_mut();
    let (mut waiting, mut held) = (0_u64, 0);
    for lane in lanes {
        waiting |= u64::from(*lane) << held;
        held += k;
        for to in bytes.by_ref().take(held / 8) {
            *to = waiting as u8;
            waiting >>= 8;
        }
        held %= 8;
    }
    // Padding fills the last byte; without any, none is left.
    bytes.for_each(|to| *to = waiting as u8);
}

fn unpack_one_by_one<const ADD: bool>(bytes: &[u8], k: usize, lanes: &mut [u32]) {
    let mut bytes = bytes.iter();
    let (mut waiting, mut held) = (0_u64, 0);
    for lane in lanes {
        for from in bytes.by_ref().take((k - held).div_ceil(8)) {
            waiting |= u64::from(*from) << held;
            held += 8;
        }
        put::<ADD>(lane, waiting as u32 & low_mask(k), low_mask(k));
        waiting >>= k;
        held -= k;
    }
}

const fn low_mask(k: usize) -> u32 {
    u32::MAX >> (32 - k)
}

/// A multiple of 32 elements of k bits ends on a 32-bit word, whatever k is.
const PACKED_TOGETHER: usize = 32;
