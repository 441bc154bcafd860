use super::*;
use crate::plan::tests::terms;
use proptest::prelude::*;

fn encode(
    terms: RoundTerms,
    values: &[f64],
    weight: u32,
    out: OutOfRange,
) -> Result<EncodedUpdate, EncodeError> {
    let mut terms = terms;
    terms.dimension = values.len() as u64;
    let params = RoundParams::new(terms).unwrap();
    EncodedUpdate::encode(&params, values, weight, out, &RoundingSeed::new([5; 32]))
}

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
    let short = EncodedUpdate::encode(
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
    let update = encode(terms(), &[3.0, -7.0, 0.0], 1, OutOfRange::Clamp).unwrap();
    assert_eq!(update.clamped(), 2);
    assert_eq!(
        update.blocks[0].signed().collect::<Vec<_>>(),
        [1 << 16, -(1 << 16), 0]
    );
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
    let update = encode(coarse, &vec![0.25; 40_000], 1, OutOfRange::Refuse).unwrap();
    let ones: i64 = update.blocks.iter().flat_map(RingVector::signed).sum();
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
        for (i, (value, weight)) in values.iter().enumerate() {
            let mut one = terms.clone();
            one.dimension = 1;
            let params = RoundParams::new(one).unwrap();
            let update = EncodedUpdate::encode(&params, &[*value], *weight, OutOfRange::Refuse, &RoundingSeed::new([i as u8; 32])).unwrap();
            sum.wrapping_add(&update.blocks[0]).unwrap();
            exact += value * f64::from(*weight);
            weights += u64::from(*weight);
        }
        let mean = decode(&terms, &[sum], values.len() as u32, weights)[0];
        let bound = 2_f64.powi(-i32::from(f)) * if stochastic { 1.0 } else { 0.5 } + 1e-12;
        prop_assert!((mean - exact / weights as f64).abs() <= bound);
    }
}
