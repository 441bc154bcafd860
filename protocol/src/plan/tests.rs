use super::*;
use crate::params::{Admission, Rounding};
use crate::{Digest, KemSuite, OperatorKey, RoundParams};
use num_bigint::BigInt;
use proptest::prelude::*;

pub(crate) fn terms() -> RoundTerms {
    RoundTerms {
        version: VERSION,
        task: "digits".parse().unwrap(),
        round_number: 1,
        operator: OperatorKey::new([1; 32]),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 650,
        ring_bits: RingBits::new(32).unwrap(),
        clip: 1 << 16,
        fractional_bits: 16,
        rounding: Rounding::Stochastic,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 100,
        intake: Intake::Stream,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    }
}

#[test]
fn each_term_out_of_range_is_refused_by_its_own_reason() {
    type Change = fn(&mut RoundTerms);
    let cases: Vec<(Change, PlanError)> = vec![
        (|t| t.version = 2, PlanError::Version(2)),
        (|t| t.dimension = 0, PlanError::Dimension(0)),
        (|t| t.dimension = 1 << 32, PlanError::Dimension(1 << 32)),
        (|t| t.clip = 0, PlanError::Clip(0)),
        (|t| t.clip = (1 << 52) + 1, PlanError::Clip((1 << 52) + 1)),
        (|t| t.fractional_bits = 41, PlanError::FractionalBits(41)),
        (|t| t.min_cohort = 2, PlanError::UnderFloor(2)),
        (
            |t| t.max_cohort = 2,
            PlanError::MaxCohort {
                min_cohort: 3,
                max_cohort: 2,
            },
        ),
        (
            |t| {
                t.admission = Admission::Registry {
                    root: Digest::new([1; 32]),
                    size: 2,
                    grant: None,
                };
            },
            PlanError::SmallRegistry {
                min_cohort: 3,
                size: 2,
            },
        ),
        (|t| t.max_weight = 0, PlanError::ZeroWeight),
        (|t| t.max_weight = 2, PlanError::WeightWithoutRule(2)),
        (
            |t| {
                t.intake = Intake::Presum;
                t.l2_bound = Some(9)
            },
            PlanError::L2BoundNeedsStream,
        ),
        (|t| t.l2_bound = Some(0), PlanError::ZeroL2Bound),
    ];
    assert!(RoundParams::new(terms()).is_ok());
    for (change, expected) in cases {
        let mut terms = terms();
        change(&mut terms);
        assert_eq!(RoundParams::new(terms).err(), Some(expected));
    }
}

/// The released peer whose 32-bit ring ran out at 10 clients.
#[test]
fn a_refusal_to_wrap_names_changes_that_each_fit() {
    let mut wrapping = terms();
    wrapping.clip = 1 << 29;
    wrapping.max_cohort = 10;
    let Err(PlanError::WouldWrap(why)) = RoundParams::new(wrapping.clone()) else {
        panic!("2^29 x 10 does not fit 31 bits");
    };
    assert_eq!(
        why.to_string(),
        "max_cohort x clip x max_weight + noise does not fit a ring of 32 bits (clip in steps of 2^-fractional_bits); any one of these would: ring_bits 64, max_cohort 3, clip 214748364 steps"
    );
    for change in [
        RoundTerms {
            ring_bits: why.enough_bits.unwrap(),
            ..wrapping.clone()
        },
        RoundTerms {
            max_cohort: why.largest_cohort as u32,
            ..wrapping.clone()
        },
        RoundTerms {
            clip: why.largest_clip as u64,
            ..wrapping.clone()
        },
    ] {
        assert!(RoundParams::new(change).is_ok());
    }
    assert!(
        RoundParams::new(RoundTerms {
            clip: why.largest_clip as u64 + 1,
            ..wrapping
        })
        .is_err()
    );
}

proptest! {
    /// I6 against big integers: for accepted parameters, the extreme sums decode to themselves.
    #[test]
    fn no_accepted_parameters_let_an_extreme_sum_wrap(
        bits in prop_oneof![8_u8..=32, Just(64)], clip in 1_u64..1 << 52, shift in 0_u32..52,
        max_cohort in 3_u32..5000, max_weight in 1_u32..100_000, wshift in 0_u32..17, tail in 0_u64..1 << 40,
    ) {
        let mut terms = terms();
        terms.ring_bits = RingBits::new(bits).unwrap();
        terms.clip = (clip >> shift).max(1);
        terms.max_cohort = max_cohort;
        terms.rule = AggregationRule::WeightedMean;
        terms.max_weight = (max_weight >> wshift).max(1);
        terms.noise = Noise::DiscreteGaussian { sigma: 1, tail: tail >> shift };
        let exact = BigInt::from(max_cohort) * terms.clip * terms.max_weight + (tail >> shift);
        let half = BigInt::from(1) << (terms.ring_bits.get() - 1);
        prop_assert_eq!(RoundParams::new(terms.clone()).is_ok(), exact < half);
        if exact < half {
            for extreme in [exact.clone(), -exact] {
                let value = i64::try_from(extreme).unwrap();
                let vector = crate::RingVector::from_signed(terms.ring_bits, [value].into_iter());
                prop_assert_eq!(vector.signed().next(), Some(value));
            }
        }
    }
}
