//! What a hostile parent or client tries on the core alone. The attacks on each
//! invariant over real processes are in `e2e/`.

use std::sync::atomic::Ordering;

use sealsum_enclave_core::{MEMORY_CEILING, RELEASE_TIMEOUT_MS};
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::messages::{
    Acknowledge, Attest, Close, Contribute, Phase, ReleaseBlock, Status,
};
use sealsum_protocol::pack::pack;
use sealsum_protocol::{
    AggregationRule, Command, Digest, Encoding, Intake, Noise, Refusal, Reply, RoundParams,
    RoundTerms, Signature, SignedRoundParams,
};
use sealsum_testkit::{
    Contribution, Link, LocalEnclave, ScriptedParent, UncheckedClient, open_round, presum, sign,
    stream, terms,
};

fn open(enclave: &mut LocalEnclave, params: SignedRoundParams) -> Reply {
    enclave.say(open_round(params))
}

fn filled(enclave: &mut LocalEnclave, terms: RoundTerms, count: u64) -> ScriptedParent {
    let mut parent = ScriptedParent::open(enclave, terms);
    let d = parent.terms().dimension as usize;
    for n in 0..count {
        let contribution = UncheckedClient::new(n).contribute(&parent.binding, &vec![0.5; d]);
        parent.relay(enclave, &contribution).unwrap();
    }
    parent
}

#[test]
fn parameters_that_this_version_can_not_serve_are_refused_not_weakened() {
    let mut enclave = LocalEnclave::new(1);
    let noisy = RoundTerms {
        noise: Noise::DiscreteGaussian {
            sigma: 10,
            tail: 100,
        },
        ..stream()
    };
    assert_eq!(
        open(&mut enclave, sign(noisy)),
        Reply::Refused(Refusal::NoiseUnsupported)
    );
    let mut forged = sign(stream());
    forged.signature = Signature::new([1; 64]);
    assert_eq!(
        open(&mut enclave, forged),
        Reply::Refused(Refusal::OperatorSignature)
    );
    let mut swapped = sign(stream());
    swapped.params = RoundParams::new(RoundTerms {
        round_number: 2,
        ..stream()
    })
    .unwrap();
    assert_eq!(
        open(&mut enclave, swapped),
        Reply::Refused(Refusal::OperatorSignature)
    );
}

#[test]
fn a_device_without_entropy_opens_nothing_and_attests_nothing() {
    let mut enclave = LocalEnclave::new(1);
    let parent = ScriptedParent::open(&mut enclave, stream());
    enclave.broken.store(true, Ordering::Relaxed);
    assert_eq!(
        open(&mut enclave, sign(stream())),
        Reply::Refused(Refusal::Device)
    );
    let attest = Command::Attest(Attest {
        round_id: parent.round_id(),
        nonce: Digest::new([1; 32]),
    });
    assert_eq!(enclave.refused(attest.clone()), Refusal::Device);
    enclave.broken.store(false, Ordering::Relaxed);
    assert!(matches!(enclave.say(attest), Reply::Evidence(_)));
    let Reply::Description(about) = enclave.say(Command::Describe) else {
        panic!()
    };
    assert_eq!(about.open_rounds, 1, "the failed opening left no round");
}

#[test]
fn memory_is_reserved_at_open_and_given_back_at_the_end() {
    let mut enclave = LocalEnclave::new(1);
    let reserved = |enclave: &mut LocalEnclave| match enclave.say(Command::Describe) {
        Reply::Description(about) => about.memory_reserved,
        other => panic!("{other:?}"),
    };
    // Sum and staging of this many 4-byte lanes exceed the ceiling; in presum the enclave holds neither.
    let large = |intake| RoundTerms {
        dimension: MEMORY_CEILING / 8,
        ..terms(intake)
    };
    assert!(matches!(
        open(&mut enclave, sign(large(Intake::Stream))),
        Reply::Refused(Refusal::Memory { .. })
    ));
    assert_eq!(reserved(&mut enclave), 0);
    assert!(matches!(
        open(&mut enclave, sign(large(Intake::Presum))),
        Reply::Opened(_)
    ));
    let before = reserved(&mut enclave);
    let parent = filled(&mut enclave, stream(), 3);
    assert!(reserved(&mut enclave) > before);
    parent.close(&mut enclave).unwrap();
    parent.release(&mut enclave);
    assert_eq!(reserved(&mut enclave), before);
    let aborted = ScriptedParent::open(&mut enclave, stream());
    assert!(matches!(aborted.abort(&mut enclave), Reply::Aborted(_)));
    assert_eq!(reserved(&mut enclave), before);
}

#[test]
fn no_more_rounds_than_the_limit_are_open_at_once() {
    let mut enclave = LocalEnclave::new(1);
    let opened = (0..100)
        .take_while(|_| matches!(open(&mut enclave, sign(presum())), Reply::Opened(_)))
        .count();
    assert_eq!(opened, 64);
    assert_eq!(
        open(&mut enclave, sign(presum())),
        Reply::Refused(Refusal::TooManyRounds { limit: 64 })
    );
}

#[test]
fn records_of_ended_rounds_are_bounded_and_the_oldest_goes_first() {
    let mut enclave = LocalEnclave::new(1);
    let rounds: Vec<_> = (0..70)
        .map(|_| {
            let parent = ScriptedParent::open(&mut enclave, presum());
            parent.abort(&mut enclave);
            parent.round_id()
        })
        .collect();
    let known = rounds
        .iter()
        .filter(|round_id| {
            matches!(
                enclave.say(Command::Status(Status {
                    round_id: **round_id
                })),
                Reply::Status(_)
            )
        })
        .count();
    assert_eq!(known, 64);
    assert_eq!(
        enclave.refused(Command::Status(Status {
            round_id: rounds[0]
        })),
        Refusal::UnknownRound
    );
}

#[test]
fn a_body_beside_a_command_that_has_none_is_refused() {
    let mut enclave = LocalEnclave::new(1);
    assert_eq!(
        enclave.call(Command::Describe, b"x").0,
        Reply::Refused(Refusal::Malformed)
    );
}

#[test]
fn another_connection_can_not_touch_what_is_being_staged() {
    let mut enclave = LocalEnclave::new(1);
    let mut parent = filled(&mut enclave, stream(), 3);
    let mut thief = enclave.connect(2);
    let staged = UncheckedClient::new(8).contribute(&parent.binding, &[0.5; 20]);
    let header = staged.header.clone();
    assert!(matches!(
        enclave.say(Command::Contribute(Box::new(Contribute { header }))),
        Reply::Staging(_)
    ));
    assert_eq!(
        parent.stage(&mut thief, &staged, 0, &staged.body),
        Reply::Refused(Refusal::NotStaging { next: 0 })
    );
    let other = UncheckedClient::new(9).contribute(&parent.binding, &[0.5; 20]);
    assert_eq!(parent.relay(&mut thief, &other), Err(Refusal::Busy));
    thief.disconnect();
    assert!(matches!(
        parent.stage(&mut enclave, &staged, 0, &staged.body),
        Reply::Accepted(_)
    ));
    parent.accepted.push(staged);
    parent.relay(&mut thief, &other).unwrap();
    parent.close(&mut enclave).unwrap();
    assert_eq!(parent.release(&mut enclave).0, vec![2.5; 20]);
}

#[test]
fn values_and_norms_beyond_their_bounds_burn_the_client_and_leave_no_trace() {
    let bounded = RoundTerms {
        rule: AggregationRule::WeightedMean,
        max_weight: 10,
        l2_bound: Some(9_000),
        ..stream()
    };
    // Encoded under laxer parameters of the same layout: a client that cheats.
    let lax = RoundParams::new(RoundTerms {
        clip: 1 << 15,
        l2_bound: None,
        ..bounded.clone()
    })
    .unwrap();
    let seed = RoundingSeed::new([1; 32]);
    let mut enclave = LocalEnclave::new(1);
    let mut parent = ScriptedParent::open(&mut enclave, bounded);
    for n in 0..3 {
        let contribution =
            UncheckedClient::new(n).contribute_weighted(&parent.binding, &[0.25; 20], 1);
        parent.relay(&mut enclave, &contribution).unwrap();
    }
    let mut single = [0.0; 20];
    single[19] = 1.001;
    let weight_above = RoundParams::new(RoundTerms {
        max_weight: 11,
        ..parent.terms().clone()
    })
    .unwrap();
    let cases = [
        (10, &lax, &single, 1, Refusal::NormAboveBound),
        (11, &lax, &[0.6; 20], 1, Refusal::NormAboveBound),
        (12, &weight_above, &[0.0; 20], 11, Refusal::WeightAboveBound),
    ];
    for (n, params, values, weight, expected) in cases {
        let update = Encoding::new(params, values, weight, OutOfRange::Refuse, &seed).unwrap();
        let mut client = UncheckedClient::new(n);
        let contribution = client.seal(&parent.binding, update);
        assert_eq!(parent.relay(&mut enclave, &contribution), Err(expected));
        let honest = client.contribute(&parent.binding, &[0.0; 20]);
        assert_eq!(parent.relay(&mut enclave, &honest), Err(Refusal::Burned));
    }
    parent.close(&mut enclave).unwrap();
    assert_eq!(parent.release(&mut enclave).0, vec![0.25; 20]);
}

#[test]
fn a_sum_of_blocks_that_was_not_closed_with_is_not_unmasked() {
    let mut enclave = LocalEnclave::new(1);
    let parent = filled(
        &mut enclave,
        RoundTerms {
            dimension: 20_000,
            ..presum()
        },
        3,
    );
    parent.close(&mut enclave).unwrap();
    let round_id = parent.round_id();
    let sum: Vec<_> = parent.masked_sum().iter().map(pack).collect();
    let path = |j| parent.sum_commitment().path(j).unwrap();
    let mut changed = sum[0].clone();
    changed[0] ^= 1;
    let attempts = [
        (0, path(0), changed),
        (0, path(1), sum[0].clone()),
        (1, path(0), sum[0].clone()),
        (0, vec![], sum[0].clone()),
        (0, vec![Digest::new([0; 32]); 40], sum[0].clone()),
        (0, path(0), vec![]),
        (
            0,
            path(0),
            parent.accepted[0]
                .blocks(parent.layout())
                .next()
                .unwrap()
                .to_vec(),
        ),
    ];
    for (index, path, body) in attempts {
        let reply = enclave
            .call(
                Command::ReleaseBlock(ReleaseBlock {
                    round_id,
                    index,
                    path,
                }),
                &body,
            )
            .0;
        assert_eq!(reply, Reply::Refused(Refusal::NotOfTheSum));
    }
    // Nothing has gone out, so the round can still end with proof of that.
    assert!(matches!(parent.abort(&mut enclave), Reply::Aborted(_)));
}

#[test]
fn an_excluded_contribution_is_out_of_sum_minimum_and_receipt_cohort() {
    let mut enclave = LocalEnclave::new(1);
    let mut parent = filled(&mut enclave, presum(), 4);
    let lost = parent.accepted.remove(2).header.client;
    let close = Close {
        excluded: vec![lost],
        ..parent.honest_close()
    };
    let unsorted = Close {
        excluded: vec![lost, lost],
        ..close.clone()
    };
    assert_eq!(
        enclave.refused(Command::Close(unsorted)),
        Refusal::Exclusions
    );
    let stranger = Close {
        excluded: vec![UncheckedClient::new(77).id()],
        ..close.clone()
    };
    assert_eq!(
        enclave.refused(Command::Close(stranger)),
        Refusal::Exclusions
    );
    let silent = parent.honest_close();
    assert_eq!(
        enclave.refused(Command::Close(silent)),
        Refusal::CohortMismatch
    );
    let Reply::Closed(closed) = enclave.say(Command::Close(close)) else {
        panic!()
    };
    assert_eq!(closed.cohort_size, 3);
    let (values, receipt) = parent.release(&mut enclave);
    assert_eq!(values, vec![1.5; 20]);
    assert_eq!(receipt.unverified().excluded, [lost]);

    let mut enclave = LocalEnclave::new(2);
    let mut parent = filled(&mut enclave, presum(), 3);
    let lost = parent.accepted.remove(0).header.client;
    let close = Close {
        excluded: vec![lost],
        ..parent.honest_close()
    };
    assert_eq!(
        enclave.refused(Command::Close(close)),
        Refusal::CohortTooSmall {
            size: 2,
            minimum: 3
        }
    );
}

#[test]
fn what_belongs_to_the_other_intake_is_refused() {
    let mut enclave = LocalEnclave::new(1);
    let parent = filled(&mut enclave, stream(), 3);
    let close = Close {
        sum_root: Some(Digest::new([1; 32])),
        ..parent.honest_close()
    };
    assert_eq!(enclave.refused(Command::Close(close)), Refusal::WrongIntake);
    let close = Close {
        excluded: vec![parent.accepted[0].header.client],
        ..parent.honest_close()
    };
    assert_eq!(enclave.refused(Command::Close(close)), Refusal::WrongIntake);
    parent.close(&mut enclave).unwrap();
    let release = Command::ReleaseBlock(ReleaseBlock {
        round_id: parent.round_id(),
        index: 0,
        path: vec![],
    });
    assert_eq!(
        enclave.call(release, b"x").0,
        Reply::Refused(Refusal::WrongIntake)
    );

    let parent = filled(&mut enclave, presum(), 3);
    let close = Close {
        sum_root: None,
        ..parent.honest_close()
    };
    assert_eq!(enclave.refused(Command::Close(close)), Refusal::WrongIntake);
    assert_eq!(
        parent.stage(
            &mut enclave,
            &parent.accepted[0],
            0,
            &parent.accepted[0].body
        ),
        Reply::Refused(Refusal::WrongIntake)
    );
}

#[test]
fn an_overdue_release_ends_by_what_went_out() {
    let mut enclave = LocalEnclave::new(1);
    let lost = filled(&mut enclave, stream(), 3);
    let untouched = filled(&mut enclave, stream(), 3);
    let signed = filled(&mut enclave, stream(), 3);
    let collecting = filled(&mut enclave, stream(), 3);
    lost.close(&mut enclave).unwrap();
    lost.release_block(&mut enclave, 0).unwrap();
    untouched.close(&mut enclave).unwrap();
    signed.close(&mut enclave).unwrap();
    signed.release_block(&mut enclave, 0).unwrap();
    let receipt = signed.finish(&mut enclave).unwrap();
    enclave.clock.advance(RELEASE_TIMEOUT_MS + 1);
    let phase = |enclave: &mut LocalEnclave, parent: &ScriptedParent| match enclave.say(
        Command::Status(Status {
            round_id: parent.round_id(),
        }),
    ) {
        Reply::Status(status) => status.phase,
        other => panic!("{other:?}"),
    };
    assert_eq!(phase(&mut enclave, &lost), Phase::Lost);
    // Nothing of it went out, and the enclave can still say so.
    assert_eq!(phase(&mut enclave, &untouched), Phase::Aborted);
    assert!(matches!(untouched.abort(&mut enclave), Reply::Aborted(_)));
    assert_eq!(phase(&mut enclave, &signed), Phase::Released);
    assert_eq!(signed.finish(&mut enclave).unwrap(), receipt);
    assert_eq!(phase(&mut enclave, &collecting), Phase::Collecting);
    assert_eq!(
        lost.release_block(&mut enclave, 0),
        Err(Refusal::WrongPhase { phase: Phase::Lost })
    );
    assert_eq!(
        lost.abort(&mut enclave),
        Reply::Refused(Refusal::WrongPhase { phase: Phase::Lost })
    );
}

#[test]
fn an_acknowledgement_before_the_receipt_erases_nothing() {
    let mut enclave = LocalEnclave::new(1);
    let parent = filled(
        &mut enclave,
        RoundTerms {
            dimension: 20_000,
            ..stream()
        },
        3,
    );
    parent.close(&mut enclave).unwrap();
    parent.release_block(&mut enclave, 1).unwrap();
    let acknowledge = Command::Acknowledge(Acknowledge {
        round_id: parent.round_id(),
    });
    assert_eq!(
        enclave.refused(acknowledge),
        Refusal::Unreleased { missing: 1 }
    );
    assert_eq!(
        parent.finish(&mut enclave),
        Err(Refusal::Unreleased { missing: 1 })
    );
    assert_eq!(parent.release(&mut enclave).0, vec![1.5; 20_000]);
}

#[test]
fn burned_ids_are_bounded_and_then_no_one_new_is_taken() {
    let mut enclave = LocalEnclave::new(1);
    let mut parent = ScriptedParent::open(&mut enclave, presum());
    let good = UncheckedClient::new(0).contribute(&parent.binding, &[0.5; 20]);
    let mut refusals = Vec::new();
    for n in 1..=4_100_u64 {
        let mut forged: Contribution = good.clone();
        forged.header.client = UncheckedClient::new(n).id();
        forged.header.encapsulated_key[..8].copy_from_slice(&n.to_le_bytes());
        refusals.push(parent.relay(&mut enclave, &forged).unwrap_err());
    }
    assert!(
        refusals[..4096]
            .iter()
            .all(|refusal| *refusal == Refusal::DoesNotOpen)
    );
    assert!(
        refusals[4096..]
            .iter()
            .all(|refusal| *refusal == Refusal::CohortFull { limit: 10 })
    );
}
