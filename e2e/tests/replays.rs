//! What a hostile parent does to an enclave with what honest parties said: says it again, in
//! another order, in another name, about another round, to another enclave.

use std::thread;

use sealsum_e2e::Target;
use sealsum_protocol::messages::{Close, Phase, Status};
use sealsum_protocol::{Command, Digest, Intake, Noise, Refusal, Reply, RingBits, RoundTerms};
use sealsum_testkit::hostile::{Mischief, Spoken, Tape, doubled, lies, shuffled};
use sealsum_testkit::{
    Link, ScriptedParent, SocketLink, UncheckedClient, client_id, open_round, presum, sign, stream,
    terms,
};

const INTAKES: [Intake; 2] = [Intake::Stream, Intake::Presum];

/// Two blocks of 21 bits, with padding behind the last.
fn wide(intake: Intake) -> RoundTerms {
    RoundTerms {
        dimension: 16_385,
        ring_bits: RingBits::new(21).unwrap(),
        ..terms(intake)
    }
}

fn contributions(link: &mut impl Link, parent: &ScriptedParent) -> u32 {
    let round_id = parent.round_id();
    match link.say(Command::Status(Status { round_id })) {
        Reply::Status(status) => status.contributions,
        other => panic!("{other:?}"),
    }
}

/// Adversary: a parent that has two contributions and would like three: it doubles and
/// shuffles them, copies them under other ids, brings some of another round, and closes in
/// every way it can think of.
#[test]
fn i02_repeats_copies_and_inventions_are_no_third_client() {
    let target = Target::start(&[]);
    for intake in INTAKES {
        let mut tape = Tape::new(target.link());
        let mut parent = ScriptedParent::open(&mut tape, terms(intake));
        let mut other = ScriptedParent::open(&mut tape, terms(intake));
        other.fill(&mut tape, [7], 0.25);
        let before = tape.said().len();
        parent.fill(&mut tape, 0..2, 0.25);
        let relayed = tape.said().split_off(before);

        let mut link = target.link();
        for spoken in shuffled(doubled(&relayed), 2) {
            let (reply, _) = spoken.say(&mut link);
            assert!(
                matches!(
                    reply,
                    Reply::Accepted(_) | Reply::Refused(Refusal::NotStaging { .. })
                ),
                "{reply:?}"
            );
        }
        let first = parent.accepted[0].clone();
        for n in 10..14 {
            let copied = parent.relay(&mut link, &first.copied_by(n));
            assert_eq!(copied, Err(Refusal::RepeatedKey));
        }
        let moved = other.accepted[0].moved_to(parent.round_id());
        assert_eq!(parent.relay(&mut link, &moved), Err(Refusal::DoesNotOpen));
        assert_eq!(contributions(&mut link, &parent), 2);

        let too_small = |size| Refusal::CohortTooSmall { size, minimum: 3 };
        let invented = Command::Close(parent.close_with_invented_cohort());
        assert_eq!(link.refused(invented), too_small(2));
        assert_eq!(parent.close(&mut link), Err(too_small(2)));

        parent.fill(&mut link, [2], 0.25);
        if intake == Intake::Presum {
            let fewer = parent.close_excluding(&[client_id(0)]);
            assert_eq!(link.refused(Command::Close(fewer)), too_small(2));
        }
        let invented = Command::Close(parent.close_with_invented_cohort());
        assert_eq!(link.refused(invented), Refusal::CohortMismatch);
        parent.close(&mut link).unwrap();
        assert_eq!(parent.release(&mut link).0, vec![0.75; 20]);
    }
}

/// Adversary: a parent that plays a whole recorded round again: to the same enclave, to a round
/// with equal parameters, to another enclave; in order and out of it.
#[test]
fn i03_a_recorded_round_releases_nothing_again() {
    let (target, fork) = (Target::start(&[]), Target::start(&[]));
    for intake in INTAKES {
        let mut tape = Tape::new(target.link());
        let mut parent = ScriptedParent::open(&mut tape, terms(intake));
        parent.fill(&mut tape, 0..3, 0.25);
        parent.close(&mut tape).unwrap();
        let (sum, receipt) = parent.release(&mut tape);
        assert_eq!(sum, vec![0.75; 20]);
        // Without the opening, which opens an unrelated round.
        let recorded = tape.said().split_off(1);

        let mut twin = ScriptedParent::open(tape.link(), terms(intake));
        let to_twin: Vec<_> = recorded
            .iter()
            .map(|spoken| spoken.clone().about(twin.round_id()))
            .collect();
        for order in 0..3 {
            let mut link = target.link();
            for spoken in shuffled(recorded.clone(), order) {
                let (reply, block) = spoken.say(&mut link);
                assert!(block.is_empty(), "a block went out twice");
                match reply {
                    Reply::Receipt(again) => assert_eq!(*again, receipt),
                    Reply::Acknowledged => {}
                    Reply::Refused(refusal) => assert_eq!(
                        refusal,
                        Refusal::WrongPhase {
                            phase: Phase::Released
                        }
                    ),
                    other => panic!("{other:?}"),
                }
            }
            for spoken in shuffled(to_twin.clone(), order) {
                let (reply, block) = spoken.say(&mut link);
                assert!(block.is_empty());
                assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
            }
            let mut elsewhere = fork.link();
            for spoken in shuffled(recorded.clone(), order) {
                let (reply, _) = spoken.say(&mut elsewhere);
                assert_eq!(reply, Reply::Refused(Refusal::UnknownRound));
            }
        }
        // The twin has nothing of it and serves its own clients.
        let mut link = target.link();
        assert_eq!(contributions(&mut link, &twin), 0);
        twin.fill(&mut link, 10..13, 0.5);
        twin.close(&mut link).unwrap();
        assert_eq!(twin.release(&mut link).0, vec![1.5; 20]);
    }
}

/// Adversary: a parent that relays in whatever order, twice, over several connections, and a
/// client that uses another's encapsulated key for its own.
#[test]
fn i04_a_doubled_and_reordered_relay_sums_each_client_once() {
    let target = Target::start(&[]);
    for intake in INTAKES {
        let mut links = [target.link(), target.link()];
        let mut parent = ScriptedParent::open(&mut links[0], wide(intake));
        let update = vec![0.25; 16_385];
        let made: Vec<_> = (0..4)
            .map(|n| UncheckedClient::new(n).contribute(&parent.binding, &update))
            .collect();
        for (place, contribution) in made.iter().enumerate() {
            let link = &mut links[place % 2];
            let said = parent.spoken(contribution);
            // Blocks before their header, then all of it with each step doubled.
            for early in said.iter().skip(1).rev() {
                let (reply, _) = early.say(link);
                assert!(matches!(reply, Reply::Refused(Refusal::NotStaging { .. })));
            }
            for spoken in doubled(&said) {
                let _ = spoken.say(link);
            }
            assert!(parent.relay(link, contribution).is_ok(), "in by now");
        }
        let second = UncheckedClient::with_randomness(0, 99).contribute(&parent.binding, &update);
        assert_eq!(
            parent.relay(&mut links[1], &second),
            Err(Refusal::SecondContribution)
        );
        let own = UncheckedClient::new(5).contribute(&parent.binding, &update);
        let shared = own.with_key_of(&made[0]);
        let link = &mut links[0];
        assert_eq!(parent.relay(link, &shared), Err(Refusal::RepeatedKey));
        // That was public, and burns nobody.
        parent.relay(link, &own).unwrap();
        assert_eq!(contributions(link, &parent), 5);
        parent.close(link).unwrap();
        assert_eq!(parent.release(link).0, vec![1.25; 16_385]);
    }
}

/// Adversary: clients whose vectors or weights would make the sum wrap, beside others who use
/// all that the parameters give them.
#[test]
fn i06_a_client_that_would_wrap_the_sum_is_no_part_of_it() {
    let target = Target::start(&[]);
    let mut link = target.link();
    // The tightest ring that ten clients at the clip fit.
    let tight = |intake| RoundTerms {
        ring_bits: RingBits::new(17).unwrap(),
        ..terms(intake)
    };
    for intake in INTAKES {
        let mut parent = ScriptedParent::open(&mut link, tight(intake));
        parent.fill(&mut link, 0..9, -1.0);
        for (n, mischief) in (20..).zip([Mischief::OverWeight, Mischief::OverValue]) {
            let Some(refusal) = mischief.refusal(intake) else {
                // Bodies stay outside: docs/THREAT_MODEL.md says what that costs.
                continue;
            };
            let attempt = mischief.by(n, &parent.binding);
            assert_eq!(parent.relay(&mut link, &attempt), Err(refusal));
        }
        parent.fill(&mut link, [9], -1.0);
        parent.close(&mut link).unwrap();
        let (sum, receipt) = parent.release(&mut link);
        assert_eq!(sum, vec![-10.0; 20]);
        assert_eq!(receipt.unverified().total_weight, 10);
    }
}

/// Adversary: a parent that takes the noise out of signed parameters, or lowers it.
#[test]
fn i07_noise_can_not_be_taken_out_of_signed_parameters() {
    let target = Target::start(&[]);
    let mut link = target.link();
    let noise = |sigma| Noise::DiscreteGaussian { sigma, tail: 1000 };
    let noisy = sign(RoundTerms {
        noise: noise(100),
        ..stream()
    });
    for less in [Noise::None, noise(1)] {
        let bent = lies::terms_under_a_true_signature(&noisy, |terms| terms.noise = less);
        let refusal = link.refused(open_round(bent));
        assert_eq!(refusal, Refusal::OperatorSignature);
    }
    // The same change by the operator is another matter.
    let _ = ScriptedParent::open(&mut link, stream());
}

/// Adversary: clients that spoil a contribution in every way, and a parent that truncates what
/// it relays and hangs up in the middle.
#[test]
fn i09_whatever_clients_and_parent_spoil_is_not_in_the_sum() {
    let target = Target::start(&[]);
    for intake in INTAKES {
        let mut link = target.link();
        let mut parent = ScriptedParent::open(&mut link, wide(intake));
        parent.fill(&mut link, 0..2, 0.25);
        for (n, mischief) in (20..).zip(Mischief::ALL) {
            if let Some(refusal) = mischief.refusal(intake) {
                let spoiled = mischief.by(n, &parent.binding);
                assert_eq!(parent.relay(&mut link, &spoiled), Err(refusal));
            }
        }
        let honest = UncheckedClient::new(2).contribute(&parent.binding, &vec![0.25; 16_385]);
        let said = parent.spoken(&honest);
        let mut cut = target.link();
        let header = said[0].frame();
        cut.send(&header[..header.len() / 2]);
        drop(cut);
        if let [header, first, ..] = said.as_slice() {
            let mut hangs_up = target.link();
            assert!(matches!(header.say(&mut hangs_up).0, Reply::Staging(_)));
            let (short, _) = first.clone().truncated().say(&mut hangs_up);
            assert!(matches!(short, Reply::Refused(Refusal::BlockLength { .. })));
            let stolen = first.clone().in_the_name_of(client_id(0));
            let (reply, _) = stolen.say(&mut hangs_up);
            assert_eq!(reply, Reply::Refused(Refusal::NotStaging { next: 0 }));
            assert!(matches!(first.say(&mut hangs_up).0, Reply::Staging(_)));
        }
        // The enclave notices in its own time; until then the staging area is taken.
        let patiently = |parent: &mut ScriptedParent, link: &mut SocketLink| {
            for _ in 0..200 {
                match parent.relay(link, &honest) {
                    Err(Refusal::Busy) => thread::sleep(std::time::Duration::from_millis(20)),
                    outcome => return outcome,
                }
            }
            panic!("the staging area was never free again");
        };
        patiently(&mut parent, &mut link).unwrap();
        parent.close(&mut link).unwrap();
        let (sum, receipt) = parent.release(&mut link);
        assert_eq!(sum, vec![0.75; 16_385]);
        assert_eq!(receipt.unverified().cohort_size, 3);
    }
}

/// Adversary: a parent that asks for one block over many connections at once, hoping for a
/// second value, each time with another sum in hand.
#[test]
fn i13_however_many_ask_at_once_a_block_has_one_value() {
    let target = Target::start(&[]);
    for intake in INTAKES {
        let mut link = target.link();
        let mut parent = ScriptedParent::open(&mut link, terms(intake));
        parent.fill(&mut link, 0..4, 0.25);
        parent.close(&mut link).unwrap();
        for other in [
            parent.without(&client_id(0)).honest_close(),
            parent.close_with_invented_cohort(),
            Close {
                sum_root: Some(Digest::new([1; 32])),
                ..parent.honest_close()
            },
        ] {
            assert_eq!(link.refused(Command::Close(other)), Refusal::OtherClose);
        }
        let ask = |n: u64| {
            let asks = match intake {
                // Every other one brings the sum of all but one client.
                Intake::Presum if n % 2 == 1 => parent.without(&client_id(n / 2)),
                _ => parent.without(&client_id(99)),
            };
            let mut link = target.link();
            [0; 3].map(|_| asks.release_block(&mut link, 0))
        };
        let outcomes: Vec<_> = thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|n| scope.spawn(move || ask(n))).collect();
            let asked = asking.into_iter().flat_map(|asks| asks.join().unwrap());
            asked.collect()
        });
        let values: Vec<_> = outcomes.iter().flatten().collect();
        assert_eq!(values.len(), 3, "three times at most");
        assert!(values.iter().all(|value| *value == values[0]));
        assert!(outcomes.iter().all(|outcome| matches!(
            outcome,
            Ok(_) | Err(Refusal::NoMoreOfThisBlock | Refusal::NotOfTheSum)
        )));
        let releasing = Refusal::WrongPhase {
            phase: Phase::Releasing,
        };
        assert_eq!(parent.abort(&mut link), Reply::Refused(releasing));
        assert!(parent.finish(&mut link).is_ok());
    }
}

/// Adversary: a parent that looks for an oracle: it flips every bit position's byte of the
/// header in turn, and spoils contributions in every way, to see whether answers differ.
#[test]
fn i14_no_byte_of_a_header_is_an_oracle() {
    let target = Target::start(&[]);
    let mut link = target.link();
    let roomy = RoundTerms {
        max_cohort: 200,
        ..presum()
    };
    let mut parent = ScriptedParent::open(&mut link, roomy);
    for n in 0..84 {
        let honest = UncheckedClient::new(n).contribute(&parent.binding, &[0.5; 20]);
        let mut probed = honest.clone();
        let header = &mut probed.header;
        match usize::try_from(n).unwrap() {
            at @ 0..20 => header.sealed[at] ^= 1,
            at @ 20..52 => header.encapsulated_key[at - 20] ^= 0x80,
            at => {
                let mut commitment = *header.commitment.0.as_bytes();
                commitment[at - 52] ^= 1;
                header.commitment.0 = Digest::new(commitment);
            }
        }
        assert_eq!(parent.relay(&mut link, &probed), Err(Refusal::DoesNotOpen));
        assert_eq!(parent.relay(&mut link, &honest), Err(Refusal::Burned));
    }
    for intake in INTAKES {
        let mut parent = ScriptedParent::open(&mut link, wide(intake));
        for (n, mischief) in (0..).zip(Mischief::ALL) {
            let spoiled = mischief.by(n, &parent.binding);
            let Some(verdict) = mischief.refusal(intake) else {
                continue;
            };
            assert_eq!(parent.relay(&mut link, &spoiled), Err(verdict));
            for again in [&spoiled, &Mischief::Garbage.by(n, &parent.binding)] {
                assert_eq!(parent.relay(&mut link, again), Err(Refusal::Burned));
            }
            let mut client = UncheckedClient::new(n);
            let honest = client.contribute(&parent.binding, &vec![0.0; 16_385]);
            assert_eq!(parent.relay(&mut link, &honest), Err(Refusal::Burned));
        }
        // What is refused for public reasons burns nobody.
        let mut client = UncheckedClient::new(50);
        let honest = client.contribute(&parent.binding, &vec![0.0; 16_385]);
        let mut misshapen = honest.clone();
        misshapen.header.sealed.pop();
        assert_eq!(
            parent.relay(&mut link, &misshapen),
            Err(Refusal::HeaderShape)
        );
        assert_eq!(
            Spoken::bare(Command::Close(parent.honest_close()))
                .say(&mut link)
                .0,
            Reply::Refused(Refusal::CohortTooSmall {
                size: 0,
                minimum: 3
            })
        );
        parent.relay(&mut link, &honest).unwrap();
    }
}
