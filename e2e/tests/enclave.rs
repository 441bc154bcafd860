//! The invariants that the enclave enforces, attacked by a hostile parent that
//! speaks to the real mock enclave over its socket.

use std::thread;
use std::time::Duration;

use sealsum_e2e::Target;
use sealsum_protocol::canonical::encode;
use sealsum_protocol::frame::Frame;
use sealsum_protocol::messages::{Attest, Close, Contribute, Message as _, Phase, StageBlock};
use sealsum_protocol::{
    Command, Digest, Intake, Noise, Refusal, Reply, RingBits, RoundBinding, RoundParams, RoundTerms,
};
use sealsum_testkit::hostile::{flood, forgery, lies};
use sealsum_testkit::{
    Link, ScriptedParent, UncheckedClient, client_id, open_round, operator, presum, sign, stream,
    terms,
};

/// Adversary: a parent that closes below the minimum, forges cohort roots, and
/// excludes clients until two are left.
#[test]
fn i02_no_sum_leaves_below_the_minimum() {
    let target = Target::start(&[]);
    let mut link = target.link();
    for intake in [Intake::Stream, Intake::Presum] {
        let mut parent = ScriptedParent::open(
            &mut link,
            RoundTerms {
                min_cohort: 4,
                ..terms(intake)
            },
        );
        parent.fill(&mut link, 0..3, 0.25);
        assert_eq!(
            parent.close(&mut link),
            Err(Refusal::CohortTooSmall {
                size: 3,
                minimum: 4
            })
        );
        let invented = parent.close_with_invented_cohort();
        assert_eq!(
            link.refused(Command::Close(invented)),
            Refusal::CohortTooSmall {
                size: 3,
                minimum: 4
            }
        );
        assert_eq!(
            parent.release_block(&mut link, 0),
            Err(Refusal::WrongPhase {
                phase: Phase::Collecting
            })
        );
        // The same client again is no fourth client.
        let again = parent.accepted[0].clone();
        parent.relay(&mut link, &again).unwrap();
        parent.accepted.pop();
        assert_eq!(
            parent.close(&mut link),
            Err(Refusal::CohortTooSmall {
                size: 3,
                minimum: 4
            })
        );
    }
    let mut parent = ScriptedParent::open(&mut link, presum());
    parent.fill(&mut link, 0..4, 0.25);
    let close = parent.close_excluding(&[client_id(0), client_id(1)]);
    assert_eq!(
        link.refused(Command::Close(close)),
        Refusal::CohortTooSmall {
            size: 2,
            minimum: 3
        }
    );
}

/// Adversary: a parent that closes twice, with another cohort, another sum, asks for
/// another block's value under the same index, and reopens.
#[test]
fn i03_a_round_releases_once() {
    let target = Target::start(&[]);
    let mut link = target.link();
    for intake in [Intake::Stream, Intake::Presum] {
        let mut parent = ScriptedParent::open(&mut link, terms(intake));
        parent.fill(&mut link, 0..4, 0.25);
        parent.close(&mut link).unwrap();
        let first = parent.release_block(&mut link, 0).unwrap();

        let smaller = Close {
            cohort_root: parent.without(&client_id(0)).honest_close().cohort_root,
            ..parent.honest_close()
        };
        assert_eq!(link.refused(Command::Close(smaller)), Refusal::OtherClose);
        if intake == Intake::Presum {
            let other_sum = parent.close_with_invented_sum();
            assert_eq!(link.refused(Command::Close(other_sum)), Refusal::OtherClose);
        }
        let late = UncheckedClient::new(9).contribute(&parent.binding, &[0.5; 20]);
        assert_eq!(
            parent.relay(&mut link, &late),
            Err(Refusal::WrongPhase {
                phase: Phase::Releasing
            })
        );
        let attest = Attest {
            round_id: parent.round_id(),
            nonce: Digest::new([1; 32]),
        };
        assert_eq!(
            link.refused(Command::Attest(attest)),
            Refusal::WrongPhase {
                phase: Phase::Releasing
            }
        );

        assert_eq!(parent.release_block(&mut link, 0).unwrap(), first);
        parent.release(&mut link);
        let over = Refusal::WrongPhase {
            phase: Phase::Released,
        };
        assert_eq!(parent.release_block(&mut link, 0), Err(over));
        assert_eq!(parent.close(&mut link), Err(over));
        assert_eq!(parent.relay(&mut link, &late), Err(over));
        // Equal parameters open an unrelated round, whose key opens nothing of the first.
        let mut again = ScriptedParent::open(&mut link, terms(intake));
        assert_ne!(again.round_id(), parent.round_id());
        let moved = parent.accepted[0].moved_to(again.round_id());
        assert_eq!(again.relay(&mut link, &moved), Err(Refusal::DoesNotOpen));
    }
}

/// Adversary: clients and a parent that send twice, reuse a key, and copy a
/// contribution under another id or into another round.
#[test]
fn i04_one_contribution_per_client_and_key() {
    let target = Target::start(&[]);
    let mut link = target.link();
    for intake in [Intake::Stream, Intake::Presum] {
        let mut parent = ScriptedParent::open(&mut link, terms(intake));
        let mut client = UncheckedClient::new(0);
        let first = client.contribute(&parent.binding, &[0.25; 20]);
        let acceptance = parent.relay(&mut link, &first).unwrap();
        let second = client.contribute(&parent.binding, &[1.0; 20]);
        assert_eq!(
            parent.relay(&mut link, &second),
            Err(Refusal::SecondContribution)
        );
        assert_eq!(
            parent.relay(&mut link, &first),
            Ok(acceptance),
            "a resend is no second contribution"
        );
        parent.accepted.pop();

        let copied = first.copied_by(5);
        assert_eq!(parent.relay(&mut link, &copied), Err(Refusal::RepeatedKey));
        let fresh = UncheckedClient::new(6).contribute(&parent.binding, &[0.25; 20]);
        let copied = fresh.copied_by(7);
        assert_eq!(parent.relay(&mut link, &copied), Err(Refusal::DoesNotOpen));

        let mut elsewhere = ScriptedParent::open(&mut link, terms(intake));
        let moved = first.moved_to(elsewhere.round_id());
        assert_eq!(
            elsewhere.relay(&mut link, &moved),
            Err(Refusal::DoesNotOpen)
        );

        parent.fill(&mut link, 1..3, 0.25);
        parent.close(&mut link).unwrap();
        assert_eq!(parent.release(&mut link).0, vec![0.75; 20]);
    }
}

/// Adversary: a parent that shows a client other parameters, another model or its
/// own key, while the enclave holds the true binding.
#[test]
fn i05_what_a_client_relies_on_is_bound_into_the_key() {
    let target = Target::start(&[]);
    let mut link = target.link();
    let honest = stream();
    let changes: [fn(&mut RoundTerms); 6] = [
        |t| t.min_cohort = 5,
        |t| t.base_model = Digest::new([9; 32]),
        |t| t.schema = Digest::new([9; 32]),
        |t| t.clip = 100,
        |t| t.round_number = 2,
        |t| t.task = "other".parse().unwrap(),
    ];
    let mut parent = ScriptedParent::open(&mut link, honest.clone());
    for (n, change) in changes.into_iter().enumerate() {
        let mut shown = honest.clone();
        change(&mut shown);
        let shown = RoundBinding {
            params: sign(shown),
            ..parent.binding.clone()
        };
        let misled = UncheckedClient::new(n as u64).contribute(&shown, &[0.0; 20]);
        let misled = misled.moved_to(parent.round_id());
        assert_eq!(parent.relay(&mut link, &misled), Err(Refusal::DoesNotOpen));
    }
    // Another enclave's key for the same parameters: a fork.
    let fork = ScriptedParent::open(&mut link, honest);
    assert_ne!(fork.binding.kem_key, parent.binding.kem_key);
    let misled = UncheckedClient::new(20).contribute(&fork.binding, &[0.0; 20]);
    let misled = misled.moved_to(parent.round_id());
    assert_eq!(parent.relay(&mut link, &misled), Err(Refusal::DoesNotOpen));
}

/// Adversary: an operator who wants sums to wrap, and a parent that edits the bytes
/// of accepted parameters, since no honest code can make such parameters.
#[test]
fn i06_no_honest_sum_wraps() {
    let target = Target::start(&[]);
    let mut link = target.link();
    let opened = link.say(open_round(sign(stream())));
    assert!(matches!(opened, Reply::Opened(_)));
    let head = encode(&open_round(sign(stream())));
    let at = head
        .windows(9)
        .position(|window| window == b"ring_bits")
        .unwrap()
        + 9;
    // 10 clients x 2^12 steps need 17 bits; the canonical 24 (18 18) becomes 16 (10).
    let narrow = [&head[..at], &[16], &head[at + 2..]].concat();
    link.send(
        &Frame {
            head: narrow,
            body: vec![],
        }
        .encode()
        .unwrap(),
    );
    let reply = Reply::from_head(&link.receive().unwrap().head).unwrap();
    assert_eq!(reply, Reply::Refused(Refusal::Malformed));
    // With the wrapping parameters even the operator can't sign: the type has no such value.
    let wrapping = RoundTerms {
        ring_bits: RingBits::new(16).unwrap(),
        ..stream()
    };
    assert!(RoundParams::new(wrapping).is_err());
    // The extreme that is accepted: every client at the clip.
    let mut parent = ScriptedParent::open(
        &mut link,
        RoundTerms {
            ring_bits: RingBits::new(17).unwrap(),
            ..stream()
        },
    );
    for n in 0..10 {
        let contribution = UncheckedClient::new(n).contribute(&parent.binding, &[-1.0; 20]);
        parent.relay(&mut link, &contribution).unwrap();
    }
    parent.close(&mut link).unwrap();
    assert_eq!(parent.release(&mut link).0, vec![-10.0; 20]);
}

/// Adversary: an operator who asks for noise and would be content without.
#[test]
fn i07_noise_is_refused_until_it_is_drawn_inside() {
    let target = Target::start(&[]);
    let mut link = target.link();
    for intake in [Intake::Stream, Intake::Presum] {
        let noisy = RoundTerms {
            noise: Noise::DiscreteGaussian {
                sigma: 100,
                tail: 1000,
            },
            ..terms(intake)
        };
        let open = open_round(sign(noisy));
        assert_eq!(link.refused(open), Refusal::NoiseUnsupported);
    }
}

/// Adversary: a parent that floods: boastful lengths, half frames on many
/// connections, rounds beyond memory, contributions without end.
#[test]
fn i08_memory_is_bounded_whatever_the_parent_sends() {
    let target = Target::start(&["--memory-mib", "16"]);
    let mut link = target.link();
    let huge = RoundTerms {
        dimension: 8 * 1024 * 1024,
        ..stream()
    };
    let open = open_round(sign(huge));
    assert!(matches!(link.refused(open), Refusal::Memory { .. }));
    let many = RoundTerms {
        max_cohort: 100_000,
        ring_bits: RingBits::new(32).unwrap(),
        ..presum()
    };
    let open = open_round(sign(many));
    assert!(matches!(link.refused(open), Refusal::Memory { .. }));

    flood::boasts(&target.enclave.address);
    let halves = flood::unfinished_frames(&target.enclave.address, 40);
    // d x 4 bytes twice, within 16 MiB: the rounds fit until they don't.
    let medium = RoundTerms {
        dimension: 200_000,
        ..stream()
    };
    let opened = flood::rounds(&mut link, &medium).len();
    assert!((1..10).contains(&opened), "{opened}");
    let Reply::Description(about) = link.say(Command::Describe) else {
        panic!()
    };
    assert!(about.memory_reserved <= about.memory_ceiling);
    // Program, stacks and connections take what is left.
    let peak = target.enclave.peak_bytes();
    assert!(peak < about.memory_ceiling + 48 * 1024 * 1024, "{peak}");
    drop(halves);
}

/// Adversary: a client that sends garbage under a sound header, one that sends half
/// and hangs up, one whose padding is not zero.
#[test]
fn i09_a_refused_or_half_sent_contribution_leaves_no_trace() {
    let target = Target::start(&[]);
    let mut link = target.link();
    // 21 bits x 20,001 elements leave padding; two blocks make halves.
    let odd = RoundTerms {
        dimension: 20_001,
        ring_bits: RingBits::new(21).unwrap(),
        ..stream()
    };
    let mut parent = ScriptedParent::open(&mut link, odd);
    parent.fill(&mut link, 0..3, 0.25);
    let sound = |parent: &ScriptedParent, n| {
        UncheckedClient::new(n).contribute(&parent.binding, &vec![1.0; 20_001])
    };

    let mut garbage = sound(&parent, 10);
    garbage.body[7] ^= 1;
    assert_eq!(
        parent.relay(&mut link, &garbage),
        Err(Refusal::CommitmentMismatch)
    );
    let mut padded = sound(&parent, 11);
    *padded.body.last_mut().unwrap() |= 0x80;
    assert_eq!(parent.relay(&mut link, &padded), Err(Refusal::Padding));

    let half = sound(&parent, 12);
    let mut hangs_up = target.link();
    let header = half.header.clone();
    hangs_up.say(Command::Contribute(Box::new(Contribute { header })));
    let first = half.blocks(parent.layout()).next().unwrap().to_vec();
    assert!(matches!(
        parent.stage(&mut hangs_up, &half, 0, &first),
        Reply::Staging(_)
    ));
    drop(hangs_up);
    // The enclave notices in its own time; until then the staging area is taken.
    let late = sound(&parent, 13);
    let mut outcome = parent.relay(&mut link, &late);
    for _ in 0..100 {
        if outcome != Err(Refusal::Busy) {
            break;
        }
        thread::sleep(Duration::from_millis(50));
        outcome = parent.relay(&mut link, &late);
    }
    outcome.unwrap();
    parent.close(&mut link).unwrap();
    let (sum, receipt) = parent.release(&mut link);
    assert_eq!(sum, vec![1.75; 20_001], "three at 0.25, one at 1.0");
    assert_eq!(receipt.unverified().cohort_size, 4);
}

/// Adversary: a parent that asks again and again hoping for another value, aborts
/// after it has seen a block, and brings another sum to an open release.
#[test]
fn i13_release_is_a_function_of_what_close_fixed() {
    let target = Target::start(&[]);
    let mut link = target.link();
    let two_blocks = RoundTerms {
        dimension: 20_000,
        ..presum()
    };
    let mut parent = ScriptedParent::open(&mut link, two_blocks);
    parent.fill(&mut link, 0..3, 0.25);
    parent.close(&mut link).unwrap();
    let first = parent.release_block(&mut link, 0).unwrap();
    assert_eq!(parent.release_block(&mut link, 0).unwrap(), first);
    // A block of a sum with one client left out: the difference would be that client.
    let without_one = parent.without(&client_id(0));
    assert_eq!(
        without_one.release_block(&mut link, 0),
        Err(Refusal::NotOfTheSum)
    );
    assert_eq!(parent.release_block(&mut link, 0).unwrap(), first);
    assert_eq!(
        parent.release_block(&mut link, 0),
        Err(Refusal::NoMoreOfThisBlock)
    );
    assert_eq!(
        parent.abort(&mut link),
        Reply::Refused(Refusal::WrongPhase {
            phase: Phase::Releasing
        })
    );
    assert_eq!(
        parent.finish(&mut link),
        Err(Refusal::Unreleased { missing: 1 })
    );
    parent.release_block(&mut link, 1).unwrap();
    let receipt = parent.finish(&mut link).unwrap();
    assert_eq!(parent.finish(&mut link).unwrap(), receipt);
}

/// Adversary: a parent that probes a client's secrets by tampering with what it
/// relays, as often as it likes.
#[test]
fn i14_secret_verdicts_are_single_shot() {
    let target = Target::start(&[]);
    let mut link = target.link();
    let mut parent = ScriptedParent::open(&mut link, stream());
    type Probe = fn(&mut sealsum_testkit::Contribution);
    let probes: [(Probe, Refusal); 3] = [
        (|c| c.header.sealed[0] ^= 1, Refusal::DoesNotOpen),
        (
            |c| c.header.commitment.0 = Digest::new([1; 32]),
            Refusal::DoesNotOpen,
        ),
        (|c| c.body[0] ^= 1, Refusal::CommitmentMismatch),
    ];
    for (n, (probe, verdict)) in probes.into_iter().enumerate() {
        let mut client = UncheckedClient::new(n as u64);
        let honest = client.contribute(&parent.binding, &[0.5; 20]);
        let mut probed = honest.clone();
        probe(&mut probed);
        assert_eq!(parent.relay(&mut link, &probed), Err(verdict));
        assert_eq!(parent.relay(&mut link, &probed), Err(Refusal::Burned));
        assert_eq!(parent.relay(&mut link, &honest), Err(Refusal::Burned));
        let anew = client.contribute(&parent.binding, &[0.5; 20]);
        assert_eq!(parent.relay(&mut link, &anew), Err(Refusal::Burned));
    }
    // A block beyond the one awaited, or too short, is no secret verdict and burns no one.
    let honest = UncheckedClient::new(9).contribute(&parent.binding, &[0.5; 20]);
    let header = honest.header.clone();
    link.say(Command::Contribute(Box::new(Contribute { header })));
    let stage = |index| {
        Command::StageBlock(StageBlock {
            round_id: parent.round_id(),
            client: honest.header.client,
            index,
        })
    };
    assert_eq!(
        link.call(stage(1), &honest.body).0,
        Reply::Refused(Refusal::NotStaging { next: 0 })
    );
    assert_eq!(
        link.call(stage(0), &honest.body[1..]).0,
        Reply::Refused(Refusal::BlockLength { expected: 60 })
    );
    assert!(matches!(
        link.call(stage(0), &honest.body).0,
        Reply::Accepted(_)
    ));
}

/// Adversary: a parent that passes one round's signed statement off in another, or
/// one kind of statement off as another.
#[test]
fn i17_a_signature_means_one_thing_in_one_round() {
    let target = Target::start(&[]);
    let mut link = target.link();
    let mut one = ScriptedParent::open(&mut link, stream());
    let other = ScriptedParent::open(&mut link, stream());
    let contribution = UncheckedClient::new(0).contribute(&one.binding, &[0.5; 20]);
    let acceptance = one.relay(&mut link, &contribution).unwrap();
    assert!(
        acceptance
            .verify(&one.binding.receipt_key, &one.round_id())
            .is_ok()
    );
    assert!(
        acceptance
            .verify(&one.binding.receipt_key, &other.round_id())
            .is_err()
    );
    assert!(
        acceptance
            .verify(&other.binding.receipt_key, &one.round_id())
            .is_err()
    );

    let Reply::Aborted(abort) = one.abort(&mut link) else {
        panic!()
    };
    assert!(
        abort
            .verify(&one.binding.receipt_key, &one.round_id())
            .is_ok()
    );
    assert!(
        abort
            .verify(&other.binding.receipt_key, &other.round_id())
            .is_err()
    );
    let grafted = forgery::grafted(&acceptance, &abort);
    assert!(
        grafted
            .verify(&one.binding.receipt_key, &one.round_id())
            .is_err()
    );
    // The operator's signature is over other terms than these.
    let params =
        lies::terms_under_a_true_signature(&sign(stream()), |terms| terms.round_number = 9);
    assert!(params.verify().is_err());
    assert_eq!(params.params.terms().operator, operator().key());
}
