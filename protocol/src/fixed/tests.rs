use super::quantize::Bounds;
use super::step::{Step, step};
use super::*;
use crate::block::BlockLayout;
use crate::params::{RoundParams, Rounding};
use crate::plan::tests::terms;
use crate::ring::RingBits;
use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use proptest::prelude::*;

/// The encoded elements, and how many were clamped.
fn encode<V: Number>(
    terms: RoundTerms,
    values: &[V],
    weight: u32,
    out: OutOfRange,
) -> Result<(Vec<i64>, u64), EncodeError> {
    let mut terms = terms;
    terms.dimension = values.len() as u64;
    let params = RoundParams::new(terms).unwrap();
    let mut elements = Vec::new();
    let clamped = Encoding::new(&params, values, weight, out, &RoundingSeed::new(SEED))?
        .for_each_piece(|_, block| {
            elements.extend(block.signed());
            Ok::<_, EncodeError>(())
        })?;
    Ok((elements, clamped))
}

const SEED: [u8; 32] = [5; 32];

#[test]
fn what_can_not_be_encoded_is_named_by_its_place() {
    let refused =
        |values: &[f64], weight| encode(terms(), values, weight, OutOfRange::Refuse).err();
    assert_eq!(
        refused(&[0.0, f64::NAN], 1),
        Some(EncodeError::NotFinite { index: 1 })
    );
    assert_eq!(
        refused(&[f64::NEG_INFINITY], 1),
        Some(EncodeError::NotFinite { index: 0 })
    );
    assert_eq!(
        refused(&[0.5, -1.1], 1),
        Some(EncodeError::BeyondClip {
            index: 1,
            clip: 1.0
        })
    );
    assert_eq!(
        refused(&[0.5], 0),
        Some(EncodeError::Weight {
            max_weight: 1,
            found: 0
        })
    );
    assert_eq!(
        refused(&[0.5], 2),
        Some(EncodeError::Weight {
            max_weight: 1,
            found: 2
        })
    );
    let params = RoundParams::new(terms()).unwrap();
    let short = Encoding::new(
        &params,
        &[0.0],
        1,
        OutOfRange::Clamp,
        &RoundingSeed::new([0; 32]),
    );
    assert_eq!(
        short.err(),
        Some(EncodeError::Dimension {
            expected: 650,
            found: 1
        })
    );
}

#[test]
fn values_beyond_the_clip_are_clamped_and_counted() {
    let encoded = encode(terms(), &[3.0, -7.0, 0.0], 1, OutOfRange::Clamp);
    assert_eq!(encoded, Ok((vec![1 << 16, -(1 << 16), 0], 2)));
}

#[test]
fn the_norm_bound_counts_the_weighted_steps() {
    let mut bounded = terms();
    (bounded.rule, bounded.max_weight) = (AggregationRule::WeightedMean, 10);
    bounded.fractional_bits = 0;
    bounded.l2_bound = Some(50);
    assert!(encode(bounded.clone(), &[3.0, 4.0], 10, OutOfRange::Refuse).is_ok());
    bounded.l2_bound = Some(49);
    assert_eq!(
        encode(bounded, &[3.0, 4.0], 10, OutOfRange::Refuse).err(),
        Some(EncodeError::NormAboveBound {
            bound: 49,
            norm: 50
        })
    );
}

#[test]
fn stochastic_rounding_has_the_value_as_its_mean() {
    let mut coarse = terms();
    (coarse.fractional_bits, coarse.clip) = (0, 10);
    let (elements, _) = encode(coarse, &vec![0.25; 40_000], 1, OutOfRange::Refuse).unwrap();
    let ones: i64 = elements.iter().sum();
    // 10,000 expected; the standard deviation is 87.
    assert!((9_400..10_600).contains(&ones), "{ones}");
}

proptest! {
    #[test]
    fn a_decoded_weighted_mean_is_within_one_step(
        values in prop::collection::vec((-1.0_f64..1.0, 1_u32..50), 3..20), stochastic: bool, f in 4_u8..20,
    ) {
        let mut terms = terms();
        (terms.rule, terms.max_weight, terms.max_cohort) = (AggregationRule::WeightedMean, 50, 20);
        (terms.fractional_bits, terms.clip) = (f, 1 << f);
        terms.rounding = if stochastic { Rounding::Stochastic } else { Rounding::Nearest };
        let mut sum = RingVector::zeros(terms.ring_bits, 1);
        let (mut exact, mut weights) = (0.0, 0_u64);
        for (value, weight) in &values {
            let (elements, _) = encode(terms.clone(), &[*value], *weight, OutOfRange::Refuse).unwrap();
            let element = RingVector::from_signed(terms.ring_bits, elements.into_iter());
            sum.wrapping_add(&element).unwrap();
            exact += value * f64::from(*weight);
            weights += u64::from(*weight);
        }
        let mean = decode(&terms, &[sum], values.len() as u32, weights)[0];
        let bound = 2_f64.powi(-i32::from(f)) * if stochastic { 1.0 } else { 0.5 } + 1e-12;
        prop_assert!((mean - exact / weights as f64).abs() <= bound);
    }

    #[test]
    fn many_at_a_time_are_encoded_as_each_alone(
        values in prop::collection::vec(any_value(), 1..3000), repeated in 1_usize..20, single: bool,
        clip in prop_oneof![1_u64..1 << 21, Just(1 << 50), (1_u64 << 50) - 2..=1 << 52, 1_u64..=1 << 52],
        f in 0_u8..=40, weight in prop_oneof![Just(1_u32), any::<u32>()], bits in prop_oneof![8_u8..=32, Just(64)],
        stochastic: bool,
    ) {
        // The planner leaves no more to a weight than fits 63 bits beside the clip.
        let weight = weight.clamp(1, u32::try_from(i64::MAX as u64 / clip).unwrap_or(u32::MAX));
        let rounding = if stochastic { Rounding::Stochastic } else { Rounding::Nearest };
        let values: Vec<f64> = values.iter().map(|value| value.of(clip, f)).collect::<Vec<_>>().repeat(repeated);
        let bounds = Bounds { scale: 2_f64.powi(f.into()), clip: clip as f64, weight };
        let bits = RingBits::new(bits).unwrap();
        // As the fast way sees them, if they come as 32-bit floats.
        let narrow: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        let exact: Vec<f64> = if single { narrow.iter().map(|value| f64::from(*value)).collect() } else { values.clone() };

        let mut words = vec![0; exact.len() * 4];
        Ctr32BE::<Aes256>::new(&SEED.into(), &[0; 16].into()).apply_keystream(&mut words);
        let words = words.as_chunks().0.iter().map(|word| stochastic.then_some(u32::from_le_bytes(*word)));
        let (mut expected, mut beyond, mut bad) = (Vec::new(), 0, None);
        for (index, (value, word)) in exact.iter().zip(words).enumerate() {
            match step(&bounds, *value, word) {
                Step::Within(element) => expected.push(element),
                Step::Clamped(element) => {
                    beyond += 1;
                    expected.push(element);
                }
                Step::NotFinite => bad = bad.or(Some(index as u64)),
            }
        }
        let expected = match bad {
            Some(index) => Err(EncodeError::NotFinite { index }),
            None => Ok((RingVector::from_signed(bits, expected.into_iter()).signed().collect(), beyond)),
        };
        let seen = if single {
            lax(&narrow, bounds, bits, rounding)
        } else {
            lax(&values, bounds, bits, rounding)
        };
        prop_assert_eq!(seen, expected);
    }
}

/// Encodes without asking whether a planner would have had such a round.
fn lax<V: Number>(
    values: &[V],
    bounds: Bounds,
    bits: RingBits,
    rounding: Rounding,
) -> Result<(Vec<i64>, u64), EncodeError> {
    let mut elements = Vec::new();
    let layout = BlockLayout::new(values.len() as u64, bits);
    let seed = RoundingSeed::new(SEED);
    let encoding = Encoding::unplanned(values, layout, bounds, rounding, &seed);
    let clamped = encoding.for_each_piece(|_, block| {
        elements.extend(block.signed());
        Ok::<_, EncodeError>(())
    })?;
    Ok((elements, clamped))
}

/// A value at a place that matters: near a multiple of half a step, near the clip, or anywhere.
#[derive(Debug, Clone, Copy)]
enum Value {
    Anywhere(f64),
    AtHalfStep(i32, i8),
    AtTheClip(i8, bool),
}

impl Value {
    fn of(self, clip: u64, f: u8) -> f64 {
        let scale = 2_f64.powi(f.into());
        let nudged = |value: f64, by: i8| {
            (0..by.unsigned_abs()).fold(value, |value, _| {
                if by < 0 {
                    value.next_down()
                } else {
                    value.next_up()
                }
            })
        };
        match self {
            Self::Anywhere(value) => value,
            Self::AtHalfStep(halves, by) => nudged(f64::from(halves) / 2.0 / scale, by),
            Self::AtTheClip(by, negative) => {
                let at = nudged(clip as f64 / scale, by);
                if negative { -at } else { at }
            }
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => (-1.0_f64..1.0).prop_map(Value::Anywhere),
        8 => any::<i32>().prop_map(|n| n >> 12).prop_flat_map(|n| (Just(n), -2_i8..=2)).prop_map(|(n, by)| Value::AtHalfStep(n, by)),
        4 => (-2_i8..=2, any::<bool>()).prop_map(|(by, negative)| Value::AtTheClip(by, negative)),
        1 => prop::num::f64::ANY.prop_filter("a number", |value| value.is_finite()).prop_map(Value::Anywhere),
    ]
}

#[test]
fn what_is_no_number_is_found_wherever_it_stands() {
    for at in [0, 1, 17, 255, 256, 16_383, 16_384, 20_000] {
        for bad in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for out in [OutOfRange::Clamp, OutOfRange::Refuse] {
                let mut values = vec![0.5; 20_001];
                values[at] = bad;
                let refused = encode(terms(), &values, 1, out).err();
                assert_eq!(refused, Some(EncodeError::NotFinite { index: at as u64 }));
            }
        }
    }
}

#[test]
fn what_is_beyond_the_clip_is_counted_wherever_it_stands() {
    fn clamped<V: Number>(values: &[V]) -> Option<u64> {
        let clamped = encode(terms(), values, 1, OutOfRange::Clamp);
        clamped.ok().map(|(_, clamped)| clamped)
    }
    for at in [0, 1, 17, 255, 256, 4095, 4096, 16_384, 20_000] {
        for value in [1.5, -1.5, 1.0, -1.0] {
            let mut values = vec![0.5_f32; 20_001];
            values[at] = value;
            let expected = Some(u64::from(value.abs() > 1.0));
            assert_eq!(clamped(&values), expected, "{value} at {at}");
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            assert_eq!(clamped(&values), expected, "{value} at {at}, 64 bits");
        }
    }
}

#[test]
fn masked_pieces_are_the_encoded_vector_under_the_mask_of_its_blocks() {
    let mask = crate::MaskSeed::new(&[8; 32]);
    for bits in [8, 20, 32, 64] {
        for length in [1, 4095, 4096, 4097, 16_384, 16_385, 40_001] {
            let mut terms = terms();
            (terms.ring_bits, terms.dimension) = (RingBits::new(bits).unwrap(), length);
            (terms.fractional_bits, terms.clip, terms.max_cohort) = (2, 4, 10);
            let params = RoundParams::new(terms).unwrap();
            let values: Vec<f32> = (0..length).map(|i| (i as f32 * 0.37).sin()).collect();
            let seed = RoundingSeed::new(SEED);
            let encoding = || Encoding::new(&params, &values, 1, OutOfRange::Clamp, &seed).unwrap();

            let mut pieces = Vec::new();
            let each = |first, piece: &mut RingVector| {
                assert_eq!(first, pieces.len() as u64);
                pieces.extend(piece.signed());
                Ok::<_, EncodeError>(())
            };
            encoding().for_each_masked_piece(&mask, each).unwrap();

            let mut plain = Vec::new();
            let each = |_, piece: &mut RingVector| {
                plain.extend(piece.signed());
                Ok::<_, EncodeError>(())
            };
            encoding().for_each_piece(each).unwrap();
            assert_ne!(plain, pieces);
            let mut mask = mask.expand(params.layout().bits());
            let blocks = plain.chunks(16_384).zip(0..).flat_map(|(block, index)| {
                let elements = block.iter().copied();
                let mut block = RingVector::from_signed(params.layout().bits(), elements);
                mask.wrapping_add_to(index, &mut block).unwrap();
                block.signed().collect::<Vec<_>>()
            });
            assert!(
                pieces.iter().copied().eq(blocks),
                "{bits} bits, {length} elements"
            );
        }
    }
}
