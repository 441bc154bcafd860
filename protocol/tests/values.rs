//! What small values are, and say of themselves.

use std::collections::BTreeSet;

use sealsum_protocol::commitment::CommitmentBuilder;
use sealsum_protocol::messages::Phase;
use sealsum_protocol::ring::ShapeMismatch;
use sealsum_protocol::{
    BlockLayout, ClientId, Digest, KemSuite, Refusal, Registry, RingBits, RingVector, Signature,
    TaskName, UnixMillis,
};

fn ring(bits: u8, values: &[i64]) -> RingVector {
    RingVector::from_signed(RingBits::new(bits).unwrap(), values.iter().copied())
}

#[test]
fn subtracting_takes_back_what_was_added_in_every_width() {
    for bits in [8, 13, 24, 32, 64] {
        let values = [-128, -1, 0, 1, 127];
        let mut sum = ring(bits, &values);
        assert_eq!((sum.len(), sum.is_empty()), (5, false));
        let other = ring(bits, &[127, 127, -128, -1, 127]);
        sum.wrapping_add(&other).unwrap();
        let added: Vec<i64> = sum.signed().collect();
        let expected: &[i64] = match bits {
            // 254 and -129 wrap in eight bits.
            8 => &[-1, 126, -128, 0, -2],
            _ => &[-1, 126, -128, 0, 254],
        };
        assert_eq!(added, expected, "{bits}");
        sum.wrapping_sub(&other).unwrap();
        assert!(sum.signed().eq(values), "{bits}");
    }
    assert!(ring(64, &[]).is_empty());
}

#[test]
fn vectors_of_another_shape_neither_add_nor_subtract() {
    for (bits, values) in [(24, &[1, 2][..]), (25, &[1][..]), (64, &[1][..])] {
        let (mut vector, other) = (ring(24, &[5]), ring(bits, values));
        assert_eq!(vector.wrapping_add(&other), Err(ShapeMismatch));
        assert_eq!(vector.wrapping_sub(&other), Err(ShapeMismatch));
        assert!(vector.signed().eq([5]));
    }
}

#[test]
fn a_registry_says_what_changed_and_lists_its_keys_in_order() {
    let key = |n| ClientId::new([n; 32]);
    let mut registry = Registry::from_iter([key(3), key(1)]);
    assert!(registry.add(key(2)));
    assert!(!registry.add(key(2)), "it is there already");
    assert!(registry.keys().eq(&[key(1), key(2), key(3)]));
    assert!(registry.remove(&key(1)));
    assert!(!registry.remove(&key(1)), "it is gone already");
    assert_eq!(registry.size(), 2);
    assert!(registry.place(&key(1)).is_none());
}

#[test]
fn texts_name_what_they_are_of() {
    assert_eq!(KemSuite::XWing.to_string(), "x-wing");
    assert_eq!(KemSuite::X25519.to_string(), "x25519");
    let task: TaskName = "chest-x-ray".parse().unwrap();
    assert_eq!(
        (task.as_str(), task.to_string().as_str()),
        ("chest-x-ray", "chest-x-ray")
    );
    assert_eq!(format!("{:?}", Signature::new([0xab; 64])), "ab".repeat(64));
    assert_eq!(format!("{}", Digest::new([0x0f; 32])), "0f".repeat(32));
    assert_eq!(UnixMillis(1500).to_string(), "1500 ms since 1970");
    let phases = [
        Phase::Collecting,
        Phase::Releasing,
        Phase::Released,
        Phase::Aborted,
        Phase::Lost,
    ];
    assert_eq!(
        phases.map(|phase| phase.to_string()),
        ["collecting", "releasing", "released", "aborted", "lost"]
    );
}

#[test]
fn refusals_have_codes_of_their_own() {
    let refusals = [
        Refusal::Malformed,
        Refusal::Busy,
        Refusal::Burned,
        Refusal::RepeatedKey,
        Refusal::CohortFull { limit: 1 },
        Refusal::DoesNotOpen,
        Refusal::OtherClose,
    ];
    let codes: BTreeSet<_> = refusals.iter().map(Refusal::code).collect();
    assert_eq!(codes.len(), refusals.len());
    assert_eq!(Refusal::DoesNotOpen.code(), "does_not_open");
    assert_eq!(Refusal::CohortFull { limit: 1 }.code(), "cohort_full");
}

#[test]
fn lengths_are_those_of_the_suites_and_layouts() {
    assert_eq!(KemSuite::XWing.encapsulated_key_bytes(), 1120);
    assert_eq!(KemSuite::X25519.encapsulated_key_bytes(), 32);
    let layout = BlockLayout::new(16_385, RingBits::new(24).unwrap());
    assert_eq!((layout.dimension(), layout.blocks()), (16_385, 2));
    let mut commitment = CommitmentBuilder::masked_update();
    for count in 1..4 {
        commitment.push(&[7]);
        assert_eq!(commitment.blocks(), count);
    }
}

#[test]
fn time_runs_forward_only() {
    let (early, late) = (UnixMillis(1_000), UnixMillis(3_500));
    assert_eq!(late.since(early), 2_500);
    assert_eq!(early.since(late), 0);
    assert_eq!(early.plus(2_500), late);
    assert_eq!(late.plus(u64::MAX), UnixMillis(u64::MAX));
}
