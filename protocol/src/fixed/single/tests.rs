//! The fast way beside [`step`] where they could differ: each value with the words between which
//! its rounding changes. Both ways only go up with the word, so equal there is equal everywhere.

use super::*;
use crate::fixed::quantize::{Bounds, Quantize};
use crate::fixed::step::{Step, step};
use crate::mask::{Sink, Work};

/// Compares rounding at random of values with a word each.
fn compare_at_random(dithered: &[(f32, u32)], words: &[u8], bounds: Bounds) {
    let values: Vec<f32> = dithered.iter().map(|(value, _)| *value).collect();
    let mut lanes = vec![0_u64; values.len()];
    let (mut beyond, mut expected_beyond, mut staged) = (0, 0, Staged::EMPTY);
    let more = Singles {
        values: &values,
        lanes: &mut lanes,
        low: u64::MAX,
        weight: bounds.weight,
        at_random: AtRandom::new(&bounds),
        beyond: &mut beyond,
        staged: &mut staged,
    }
    .take(words);
    assert!(!more);
    for ((value, word), lane) in dithered.iter().zip(&lanes) {
        let expected = element(&bounds, *value, Some(*word), &mut expected_beyond);
        assert!(
            expected.is_none_or(|expected| expected as u64 == *lane),
            "{value:e}, {word}: {lane:x}, not {expected:?}"
        );
    }
    assert_eq!(beyond != 0, expected_beyond != 0, "{values:?}");
}

/// Compares all rounding of these values.
fn compare(values: &[f32], bounds: Bounds) {
    let mut dithered = Vec::new();
    for value in values {
        let scaled = f64::from(*value) * bounds.scale;
        let fraction = scaled - scaled.floor();
        let edge = ((1.0 - fraction) * 4_294_967_296.0) as i64;
        for word in edge - 5..=edge + 2 {
            let word = u32::try_from(word).unwrap_or(if word < 0 { 0 } else { u32::MAX });
            dithered.push((*value, word));
        }
    }
    let values: Vec<f32> = dithered.iter().map(|(value, _)| *value).collect();
    let words: Vec<u8> = dithered
        .iter()
        .flat_map(|(_, word)| word.to_le_bytes())
        .collect();
    // All in parts, then whole batches, then each value alone, which says of each whether it was
    // beyond the clip.
    for at_a_time in [words.len(), STAGED, WORDS_OF_A_VALUE] {
        for (dithered, words) in dithered.chunks(at_a_time).zip(words.chunks(at_a_time * 4)) {
            compare_at_random(dithered, words, bounds);
        }
    }

    let mut lanes = vec![0_u64; values.len()];
    let (mut beyond, mut expected_beyond) = (0, 0);
    quantize(&values, &mut lanes, bounds, &mut beyond).run();
    for (value, lane) in values.iter().zip(&lanes) {
        let expected = element(&bounds, *value, None, &mut expected_beyond);
        assert!(
            expected.is_none_or(|expected| expected as u64 == *lane),
            "{value:e}: {lane:x}, not {expected:?}"
        );
    }
    assert_eq!(beyond, expected_beyond);
}

fn quantize<'a>(
    values: &'a [f32],
    lanes: &'a mut [u64],
    bounds: Bounds,
    beyond: &'a mut u64,
) -> Quantize<'a, f32, u64> {
    let low = u64::MAX;
    Quantize {
        values,
        lanes,
        low,
        bounds,
        beyond,
    }
}

const WORDS_OF_A_VALUE: usize = 8;

/// `None` for what is no number.
fn element(bounds: &Bounds, value: f32, word: Option<u32>, beyond: &mut u64) -> Option<i64> {
    match step(bounds, value.into(), word) {
        Step::Within(element) => Some(element),
        Step::Clamped(element) => {
            *beyond += 1;
            Some(element)
        }
        Step::NotFinite => {
            *beyond += 1;
            None
        }
    }
}

fn bounds(f: i32, clip: f64) -> Bounds {
    Bounds {
        scale: 2_f64.powi(f),
        clip,
        weight: 1,
    }
}

fn nudged(value: f32, by: i32) -> f32 {
    f32::from_bits(value.to_bits().saturating_add_signed(by))
}

#[test]
fn next_to_each_step_of_the_dither_no_rounding_differs() {
    for f in [0, 1, 16, 23, 40] {
        let bounds = bounds(f, CLIP);
        let dither = 2_f64.powi(-32 - f);
        // Small multiples of it, and around the sizes at which a float's last bit is worth it.
        let sizes = (20..=34).map(|bits| 1_u64 << bits);
        let multiples = sizes.flat_map(|size| size - 40..size + 40).chain(1..600);
        let near = multiples.flat_map(|multiple| {
            let value = (multiple as f64 * dither) as f32;
            (-12..=12).flat_map(move |by| [nudged(value, by), -nudged(value, by)])
        });
        compare(&near.collect::<Vec<_>>(), bounds);
    }
}

#[test]
fn at_integers_halves_the_clip_and_nothing_no_rounding_differs() {
    for (f, clip) in [(0, 1.0), (0, CLIP), (7, 4099.0), (16, 65_536.0), (40, CLIP)] {
        let bounds = bounds(f, clip);
        let halves = (0..70).chain((2 * clip as u32).saturating_sub(70)..2 * clip as u32 + 70);
        let near = halves.flat_map(|half| {
            let value = (f64::from(half) / 2.0 / bounds.scale) as f32;
            (-3..=3).flat_map(move |by| [nudged(value, by), -nudged(value, by)])
        });
        let odd = [
            0.0,
            f32::MIN_POSITIVE,
            1e-40,
            1e-45,
            f32::MAX,
            f32::INFINITY,
            f32::NAN,
        ];
        let odd = odd.into_iter().flat_map(|value| [value, -value]);
        compare(&near.chain(odd).collect::<Vec<_>>(), bounds);
    }
}

/// Every `nth` of all floats. Scaling by a power of two changes no float's digits, so no scale
/// shows anything else.
fn compare_every(nth: u64) {
    let (mut at, mut values) = (0, Vec::new());
    while at < 1 << 32 {
        values.clear();
        values.extend(
            (at..)
                .step_by(nth as usize)
                .take(1 << 16)
                .take_while(|bits| *bits < 1 << 32)
                .map(|bits| f32::from_bits(bits as u32)),
        );
        compare(&values, bounds(0, CLIP));
        at += nth << 16;
    }
}

/// `SEALSUM_EVERY_FLOAT=1` compares all 2^32 of them, which takes a release build half an hour or so.
#[test]
fn no_rounding_of_any_32_bit_float_differs() {
    let all = std::env::var("SEALSUM_EVERY_FLOAT").is_ok_and(|set| set == "1");
    compare_every(if all { 1 } else { 9973 });
}
