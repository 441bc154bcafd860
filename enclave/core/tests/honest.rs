//! Honest rounds of every shape give the sum of whoever stayed, to the last bit.

use proptest::prelude::*;
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::{
    AggregationRule, CohortProof, Encoding, Intake, KemSuite, Membership, RingBits, RoundParams,
};
use sealsum_testkit::{LocalEnclave, ScriptedParent, UncheckedClient, client_id, terms};

fn any_kem() -> impl Strategy<Value = KemSuite> {
    prop_oneof![9 => Just(KemSuite::X25519), 1 => Just(KemSuite::XWing)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_aggregate_is_the_sum_of_whoever_stayed(
        intake in prop_oneof![Just(Intake::Stream), Just(Intake::Presum)],
        kem in any_kem(),
        bits in prop_oneof![20_u8..=32, Just(64)],
        dimension in prop_oneof![1_u64..40, 16_380_u64..16_390],
        stays in prop::collection::vec(any::<bool>(), 6),
        order in Just([0_u64, 1, 2, 3, 4, 5]).prop_shuffle(),
        seed: u64,
    ) {
        let mut terms = terms(intake);
        (terms.kem, terms.ring_bits, terms.dimension) = (kem, RingBits::new(bits).unwrap(), dimension);
        let mut enclave = LocalEnclave::new(seed);
        let mut parent = ScriptedParent::open(&mut enclave, terms.clone());
        let mut exact = vec![0.0; dimension as usize];
        let mut cohort = 0_u32;
        for n in order {
            // Three always stay, so that the minimum is met.
            if n >= 3 && !stays[n as usize] {
                continue;
            }
            // Multiples of a step encode without rounding, so the sum is exact.
            let values: Vec<f64> = (0..dimension).map(|i| ((n * 31 + i * 17 + seed) % 8191) as f64 / 4096.0 - 0.9).map(|v| (v * 4096.0).round().clamp(-4096.0, 4096.0) / 4096.0).collect();
            let contribution = UncheckedClient::new(n).contribute(&parent.binding, &values);
            parent.relay(&mut enclave, &contribution).unwrap();
            exact.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            cohort += 1;
        }
        parent.close(&mut enclave).unwrap();
        let (values, receipt) = parent.release(&mut enclave);
        prop_assert_eq!(values, exact);
        let stated = receipt.unverified();
        prop_assert_eq!((stated.cohort_size, stated.total_weight), (cohort, u64::from(cohort)));
        prop_assert_eq!(stated.cohort_root, parent.honest_close().cohort_root);
    }

    #[test]
    fn a_weighted_mean_weighs_each_client_by_its_sealed_weight(
        intake in prop_oneof![Just(Intake::Stream), Just(Intake::Presum)],
        clients in prop::collection::vec((-1.0_f64..1.0, 1_u32..=100), 3..8),
    ) {
        let mut terms = terms(intake);
        (terms.rule, terms.max_weight, terms.dimension) = (AggregationRule::WeightedMean, 100, 1);
        terms.ring_bits = RingBits::new(32).unwrap();
        let mut enclave = LocalEnclave::new(1);
        let mut parent = ScriptedParent::open(&mut enclave, terms);
        for (n, (value, weight)) in clients.iter().enumerate() {
            let contribution = UncheckedClient::new(n as u64).contribute_weighted(&parent.binding, &[*value], *weight);
            parent.relay(&mut enclave, &contribution).unwrap();
        }
        parent.close(&mut enclave).unwrap();
        let (mean, receipt) = parent.release(&mut enclave);
        let weights: u64 = clients.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let exact: f64 = clients.iter().map(|(value, weight)| value * f64::from(*weight)).sum::<f64>() / weights as f64;
        prop_assert_eq!(receipt.unverified().total_weight, weights);
        // Nearest rounding: half a step of 2^-12.
        prop_assert!((mean[0] - exact).abs() <= 2_f64.powi(-13) + 1e-12, "{} {}", mean[0], exact);
    }
}

#[test]
fn both_intakes_release_the_same_values() {
    let released = [Intake::Stream, Intake::Presum].map(|intake| {
        let mut enclave = LocalEnclave::new(5);
        let mut parent = ScriptedParent::open(&mut enclave, terms(intake));
        for n in 0..4 {
            let contribution =
                UncheckedClient::new(n).contribute(&parent.binding, &[0.1 * n as f64; 20]);
            parent.relay(&mut enclave, &contribution).unwrap();
        }
        parent.close(&mut enclave).unwrap();
        parent.release(&mut enclave).0
    });
    assert_eq!(released[0], released[1]);
}

#[test]
fn a_client_finds_itself_in_the_receipt_and_a_stranger_does_not() {
    let mut enclave = LocalEnclave::new(6);
    let mut parent = ScriptedParent::open(&mut enclave, terms(Intake::Stream));
    for n in 0..3 {
        let contribution = UncheckedClient::new(n).contribute(&parent.binding, &[0.5; 20]);
        parent.relay(&mut enclave, &contribution).unwrap();
    }
    parent.close(&mut enclave).unwrap();
    let (_, receipt) = parent.release(&mut enclave);
    let stated = receipt.unverified();
    let cohort: sealsum_protocol::Cohort = parent
        .accepted
        .iter()
        .map(|c| (c.header.client, c.header.digest()))
        .collect();
    let shown = |proof: CohortProof, n| {
        proof.verify(
            &client_id(n),
            &stated.cohort_root,
            stated.cohort_size.into(),
        )
    };
    assert_eq!(
        shown(cohort.prove(&client_id(1)), 1),
        Ok(Membership::In(parent.accepted[1].header.digest()))
    );
    assert_eq!(shown(cohort.prove(&client_id(9)), 9), Ok(Membership::Out));
}

/// What the parent holds of a lone client says nothing: two updates that differ
/// everywhere mask to bodies whose bytes are equally spread.
#[test]
fn a_masked_update_looks_the_same_whatever_is_in_it() {
    let mut wide = terms(Intake::Stream);
    (wide.dimension, wide.ring_bits) = (40_000, RingBits::new(32).unwrap());
    let params = RoundParams::new(wide.clone()).unwrap();
    let mut enclave = LocalEnclave::new(7);
    let parent = ScriptedParent::open(&mut enclave, wide);
    for (n, value) in [(0, 0.0), (1, 1.0), (2, -1.0)] {
        let values = vec![value; 40_000];
        let update = Encoding::new(
            &params,
            &values,
            1,
            OutOfRange::Refuse,
            &RoundingSeed::new([0; 32]),
        )
        .unwrap();
        let body = UncheckedClient::new(n).seal(&parent.binding, update).body;
        let mut counts = [0_f64; 256];
        body.iter()
            .for_each(|byte| counts[usize::from(*byte)] += 1.0);
        let expected = body.len() as f64 / 256.0;
        let chi_square: f64 = counts
            .iter()
            .map(|count| (count - expected).powi(2) / expected)
            .sum();
        // 255 degrees of freedom: mean 255, standard deviation 22.6; six of them either way.
        assert!((120.0..390.0).contains(&chi_square), "{chi_square}");
    }
}
