//! Each limit at its exact value: what is still allowed, and the first that is not.

use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::frame::{BODY_LIMIT, Frame, FrameDecoder, FrameError, HEAD_LIMIT};
use sealsum_protocol::ids::TaskNameError;
use sealsum_protocol::offer::OFFER_LIMIT;
use sealsum_protocol::params::COHORT_LIMIT;
use sealsum_protocol::upload::{HEADER_LIMIT, UploadError, header_length};
use sealsum_protocol::{
    Admission, AggregationRule, Digest, EncodeError, Encoding, Intake, KemSuite, Noise,
    OperatorSigner, PlanError, RingBits, RoundParams, RoundTerms, Rounding, TaskName, VERSION,
};

fn terms() -> RoundTerms {
    RoundTerms {
        version: VERSION,
        task: "test".parse().unwrap(),
        round_number: 1,
        operator: OperatorSigner::from_secret(&[7; 32]).key(),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 20,
        ring_bits: RingBits::new(64).unwrap(),
        clip: 1 << 12,
        fractional_bits: 12,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 10,
        intake: Intake::Stream,
        admission: Admission::Open,
        rule: AggregationRule::Sum,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    }
}

fn plan(terms: RoundTerms) -> Result<(), PlanError> {
    RoundParams::new(terms).map(drop)
}

#[test]
fn parameters_are_allowed_up_to_their_limits() {
    let dimension = |dimension| {
        plan(RoundTerms {
            dimension,
            ..terms()
        })
    };
    assert_eq!(dimension((1 << 32) - 1), Ok(()));
    assert_eq!(dimension(1 << 32), Err(PlanError::Dimension(1 << 32)));

    let max_cohort = |max_cohort| {
        plan(RoundTerms {
            max_cohort,
            ..terms()
        })
    };
    assert_eq!(COHORT_LIMIT, 16_777_216);
    assert_eq!(max_cohort(COHORT_LIMIT), Ok(()));
    assert!(matches!(
        max_cohort(COHORT_LIMIT + 1),
        Err(PlanError::MaxCohort { .. })
    ));
    assert_eq!(max_cohort(3), Ok(()), "as small as the minimum");

    let registry = |size| {
        plan(RoundTerms {
            admission: Admission::Registry {
                root: Digest::new([4; 32]),
                size,
                grant: None,
            },
            ..terms()
        })
    };
    assert_eq!(registry(3), Ok(()));
    assert_eq!(
        registry(2),
        Err(PlanError::SmallRegistry {
            min_cohort: 3,
            size: 2
        })
    );
}

#[test]
fn a_value_at_the_clip_is_not_beyond_it_and_errors_count_over_all_blocks() {
    let params = RoundParams::new(RoundTerms {
        dimension: 16_390,
        ..terms()
    })
    .unwrap();
    let seed = RoundingSeed::new([1; 32]);
    let encode = |values: &[f64]| {
        let update = Encoding::new(&params, values, 1, OutOfRange::Refuse, &seed)?;
        assert_eq!(update.weight(), 1);
        update.for_each_piece(|_, _| Ok(()))
    };
    let mut values = vec![0.0; 16_390];
    (values[0], values[16_389]) = (1.0, -1.0);
    assert_eq!(encode(&values), Ok(0));
    let above = 1.0_f64.next_up();
    values[16_387] = above;
    assert_eq!(
        encode(&values),
        Err(EncodeError::BeyondClip {
            index: 16_387,
            clip: 1.0
        })
    );
    values[16_387] = f64::NAN;
    assert_eq!(
        encode(&values),
        Err(EncodeError::NotFinite { index: 16_387 })
    );
}

#[test]
fn a_frame_of_exactly_the_limits_passes_both_ways() {
    assert_eq!((HEAD_LIMIT, BODY_LIMIT), (65_536, 131_072));
    let frame = |head, body| Frame {
        head: vec![1; head],
        body: vec![2; body],
    };
    let largest = frame(HEAD_LIMIT, BODY_LIMIT).encode().unwrap();
    let mut decoder = FrameDecoder::default();
    decoder.push(&largest);
    let back = decoder.next_frame().unwrap().unwrap();
    assert_eq!((back.head.len(), back.body.len()), (HEAD_LIMIT, BODY_LIMIT));
    assert!(!decoder.is_inside_a_frame());

    for (frame, error) in [
        (frame(HEAD_LIMIT + 1, 0), FrameError::Head(HEAD_LIMIT + 1)),
        (frame(1, BODY_LIMIT + 1), FrameError::Body(BODY_LIMIT + 1)),
    ] {
        assert_eq!(frame.encode().unwrap_err(), error);
        let lengths = [frame.head.len(), frame.body.len()];
        let lengths = lengths.map(|length| u32::try_from(length).unwrap().to_be_bytes());
        let mut decoder = FrameDecoder::default();
        decoder.push(&lengths.concat());
        assert_eq!(decoder.next_frame().err(), Some(error));
    }
}

#[test]
fn a_header_and_an_offer_have_the_lengths_that_are_written_down() {
    assert_eq!((HEADER_LIMIT, OFFER_LIMIT), (4096, 65_536));
    assert_eq!(header_length(1_u32.to_be_bytes()), Ok(1));
    assert_eq!(header_length(4096_u32.to_be_bytes()), Ok(4096));
    for wrong in [0, 4097, u32::MAX] {
        assert_eq!(
            header_length(wrong.to_be_bytes()),
            Err(UploadError::HeaderLength(wrong))
        );
    }
}

#[test]
fn a_task_has_one_to_sixty_four_characters() {
    let named = |length| TaskName::try_from("a".repeat(length));
    assert_eq!(named(64).unwrap().as_str(), "a".repeat(64));
    for length in [0, 65, 1000] {
        assert_eq!(named(length), Err(TaskNameError::Length(length)));
    }
}
