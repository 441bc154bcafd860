//! The invariants that the enclave enforces, attacked by a hostile parent that
//! speaks to the real mock enclave over its socket.

use std::thread;
use std::time::Duration;

use sealsum_e2e::Enclave;
use sealsum_protocol::canonical::encode;
use sealsum_protocol::frame::Frame;
use sealsum_protocol::messages::{
    Attest, Close, Contribute, Message as _, OpenRound, Phase, StageBlock,
};
use sealsum_protocol::{
    Cohort, Command, Digest, Intake, Noise, Refusal, Reply, RingBits, RoundBinding, RoundParams,
    RoundTerms, Signed,
};
use sealsum_testkit::{
    Link, ScriptedParent, SocketLink, UncheckedClient, operator, presum, sign, stream, terms,
};
use tempfile::TempDir;

struct Target {
    enclave: Enclave,
    _folder: TempDir,
}

impl Target {
    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            enclave: Enclave::start(folder.path(), flags),
            _folder: folder,
        }
    }

    fn link(&self) -> SocketLink {
        SocketLink::connect(&self.enclave.address)
    }
}

fn fill(link: &mut SocketLink, parent: &mut ScriptedParent, clients: impl Iterator<Item = u64>) {
    for n in clients {
        let d = parent.terms().dimension as usize;
        let contribution = UncheckedClient::new(n).contribute(&parent.binding, &vec![0.25; d]);
        parent.relay(link, &contribution).unwrap();
    }
}

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
        fill(&mut link, &mut parent, 0..3);
        assert_eq!(
            parent.close(&mut link),
            Err(Refusal::CohortTooSmall {
                size: 3,
                minimum: 4
            })
        );
        let invented = Close {
            cohort_root: Digest::new([1; 32]),
            ..parent.honest_close()
        };
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
    fill(&mut link, &mut parent, 0..4);
    let mut excluded = [0, 1].map(|n| UncheckedClient::new(n).id());
    excluded.sort();
    parent
        .accepted
        .retain(|contribution| !excluded.contains(&contribution.header.client));
    let close = Close {
        excluded: excluded.to_vec(),
        ..parent.honest_close()
    };
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
        fill(&mut link, &mut parent, 0..4);
        parent.close(&mut link).unwrap();
        let first = parent.release_block(&mut link, 0).unwrap();

        let honest = parent.honest_close();
        let fewer: Cohort = parent
            .accepted
            .iter()
            .skip(1)
            .map(|c| (c.header.client, c.header.digest()))
            .collect();
        let smaller = Close {
            cohort_root: fewer.root(),
            ..honest.clone()
        };
        assert_eq!(link.refused(Command::Close(smaller)), Refusal::OtherClose);
        if intake == Intake::Presum {
            let other_sum = Close {
                sum_root: Some(Digest::new([1; 32])),
                ..honest
            };
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
        let mut moved = parent.accepted[0].clone();
        moved.header.round_id = again.round_id();
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

        let mut copied = first.clone();
        copied.header.client = UncheckedClient::new(5).id();
        assert_eq!(parent.relay(&mut link, &copied), Err(Refusal::RepeatedKey));
        let fresh = UncheckedClient::new(6).contribute(&parent.binding, &[0.25; 20]);
        let mut copied = fresh;
        copied.header.client = UncheckedClient::new(7).id();
        assert_eq!(parent.relay(&mut link, &copied), Err(Refusal::DoesNotOpen));

        let mut elsewhere = ScriptedParent::open(&mut link, terms(intake));
        let mut moved = first.clone();
        moved.header.round_id = elsewhere.round_id();
        assert_eq!(
            elsewhere.relay(&mut link, &moved),
            Err(Refusal::DoesNotOpen)
        );

        fill(&mut link, &mut parent, 1..3);
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
        let mut misled = UncheckedClient::new(n as u64).contribute(&shown, &[0.0; 20]);
        misled.header.round_id = parent.round_id();
        assert_eq!(parent.relay(&mut link, &misled), Err(Refusal::DoesNotOpen));
    }
    // Another enclave's key for the same parameters: a fork.
    let fork = ScriptedParent::open(&mut link, honest);
    assert_ne!(fork.binding.kem_key, parent.binding.kem_key);
    let mut misled = UncheckedClient::new(20).contribute(&fork.binding, &[0.0; 20]);
    misled.header.round_id = parent.round_id();
    assert_eq!(parent.relay(&mut link, &misled), Err(Refusal::DoesNotOpen));
}

/// Adversary: an operator who wants sums to wrap, and a parent that edits the bytes
/// of accepted parameters, since no honest code can make such parameters.
#[test]
fn i06_no_honest_sum_wraps() {
    let target = Target::start(&[]);
    let mut link = target.link();
    let open = Command::OpenRound(Box::new(OpenRound {
        params: sign(stream()),
    }));
    assert!(matches!(link.say(open.clone()), Reply::Opened(_)));
    let head = encode(&open);
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
        let open = Command::OpenRound(Box::new(OpenRound {
            params: sign(noisy),
        }));
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
    let open = Command::OpenRound(Box::new(OpenRound { params: sign(huge) }));
    assert!(matches!(link.refused(open), Refusal::Memory { .. }));
    let many = RoundTerms {
        max_cohort: 100_000,
        ring_bits: RingBits::new(32).unwrap(),
        ..presum()
    };
    let open = Command::OpenRound(Box::new(OpenRound { params: sign(many) }));
    assert!(matches!(link.refused(open), Refusal::Memory { .. }));

    for boast in [[0xff; 8], [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]] {
        let mut liar = target.link();
        liar.send(&boast);
        assert!(
            liar.receive().is_none(),
            "the connection is closed, the enclave lives"
        );
    }
    let halves: Vec<_> = (0..40)
        .map(|_| {
            let mut half = target.link();
            half.send(&[0, 0, 0xff, 0xff, 0, 2, 0, 0]);
            half.send(&[0; 1000]);
            half
        })
        .collect();
    // d x 4 bytes twice, within 16 MiB: the rounds fit until they don't.
    let medium = RoundTerms {
        dimension: 200_000,
        ..stream()
    };
    let opened = (0..50)
        .take_while(|_| {
            matches!(
                link.say(Command::OpenRound(Box::new(OpenRound {
                    params: sign(medium.clone())
                }))),
                Reply::Opened(_)
            )
        })
        .count();
    assert!((1..10).contains(&opened), "{opened}");
    let Reply::Description(about) = link.say(Command::Describe) else {
        panic!()
    };
    assert!(about.memory_reserved <= about.memory_ceiling);
    let resident = resident_bytes(target.enclave.pid());
    // Program, stacks and connections take what is left.
    assert!(
        resident < about.memory_ceiling + 48 * 1024 * 1024,
        "{resident}"
    );
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
    fill(&mut link, &mut parent, 0..3);
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
    fill(&mut link, &mut parent, 0..3);
    parent.close(&mut link).unwrap();
    let first = parent.release_block(&mut link, 0).unwrap();
    assert_eq!(parent.release_block(&mut link, 0).unwrap(), first);
    // A block of a sum with one client left out: the difference would be that client.
    let without_one = ScriptedParent {
        binding: parent.binding.clone(),
        accepted: parent.accepted[1..].to_vec(),
    };
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
    // The abort receipt's signature under an acceptance's content.
    let signature = |bytes: &[u8]| {
        bytes
            .windows(2)
            .rposition(|window| window == [0x58, 0x40])
            .unwrap()
    };
    let (accepted, aborted) = (encode(&acceptance), encode(&abort));
    let grafted = [
        &accepted[..signature(&accepted)],
        &aborted[signature(&aborted)..],
    ]
    .concat();
    let grafted: Signed<sealsum_protocol::Acceptance> =
        sealsum_protocol::canonical::decode(&grafted).unwrap();
    assert!(
        grafted
            .verify(&one.binding.receipt_key, &one.round_id())
            .is_err()
    );
    // The operator's signature is over other terms than these.
    let mut params = sign(stream());
    params.params = RoundParams::new(RoundTerms {
        round_number: 9,
        ..stream()
    })
    .unwrap();
    assert!(params.verify().is_err());
    assert_eq!(params.params.terms().operator, operator().key());
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}
