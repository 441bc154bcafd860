//! Every answer of an enclave in hostile rounds, searched for the seeds, keys and coordinates
//! that its clients and itself had (I10).

use sealsum_enclave_core::RELEASE_TIMEOUT_MS;
use sealsum_protocol::messages::{Acknowledge, Attest, ContributeMany, Status};
use sealsum_protocol::{Command, Digest, Intake, Reply, RingBits, RoundTerms};
use sealsum_testkit::hostile::{Mischief, Tape, doubled, shuffled};
use sealsum_testkit::{
    KnownSecrets, Link as _, LocalEnclave, ScriptedParent, UncheckedClient, client_id,
    known_contribution, known_round_keys, terms,
};

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Released,
    Aborted,
    AbortedAfterClose,
    Lost,
    ShutDown,
}

const ENDS: [End; 5] = [
    End::Released,
    End::Aborted,
    End::AbortedAfterClose,
    End::Lost,
    End::ShutDown,
];

/// Adversary: whoever reads all that an enclave ever answers, having provoked every refusal
/// that it can think of.
#[test]
fn i10_no_answer_of_a_hostile_round_has_a_known_secret() {
    for (seed, end) in (1..).zip(ENDS) {
        for intake in [Intake::Stream, Intake::Presum] {
            let mut secrets = KnownSecrets::default();
            let answers = hostile_round(seed, intake, end, &mut secrets);
            assert!(answers.len() > 100, "{}", answers.len());
            for answer in &answers {
                secrets.assert_absent(&format!("an answer ({intake:?}, {end:?})"), answer);
            }
        }
    }
}

fn hostile_round(seed: u64, intake: Intake, end: End, secrets: &mut KnownSecrets) -> Vec<Vec<u8>> {
    let enclave = LocalEnclave::with_threads(seed, 2);
    let mut tape = Tape::new(enclave.connect(2));
    // Two blocks, padding behind the last, and room for every coordinate to be told apart.
    let odd = RoundTerms {
        dimension: 16_385,
        ring_bits: RingBits::new(29).unwrap(),
        fractional_bits: 24,
        clip: 1 << 24,
        ..terms(intake)
    };
    let mut parent = ScriptedParent::open(&mut tape, odd);
    known_round_keys(seed, &parent.binding, secrets);
    let round_id = parent.round_id();

    let values = [0.123_456_79, -0.314_159_27, 0.271_828_17, 0.577_215_7];
    for (n, value) in (0..).zip(values) {
        let known = known_contribution(&parent.binding, n, value, secrets);
        // A half first, and from another connection, then bent, copied and moved.
        for spoken in parent.spoken(&known).iter().take(1) {
            let _ = spoken.say(&mut tape);
        }
        let _ = parent.relay(&mut tape, &known.copied_by(30 + n));
        let _ = parent.relay(&mut tape, &known.moved_to(parent.round_id()));
        for spoken in shuffled(doubled(&parent.spoken(&known)), n) {
            let _ = spoken.clone().truncated().say(&mut tape);
            let _ = spoken.in_the_name_of(client_id(50)).say(&mut tape);
        }
        parent
            .accepted
            .retain(|other| other.header.client != client_id(n));
        parent.relay(&mut tape, &known).unwrap();
        parent.accepted.pop();
        parent.accepted.push(known);
    }
    // One whose secrets are known, and that is refused after it was unmasked.
    let spoiled = known_contribution(&parent.binding, 9, 0.618_033_9, secrets);
    let mut bent = spoiled.clone();
    bent.body[3] ^= 1;
    if intake == Intake::Stream {
        parent.relay(&mut tape, &bent).unwrap_err();
        parent.relay(&mut tape, &spoiled).unwrap_err();
    }
    for (n, mischief) in (20..).zip(Mischief::ALL) {
        if mischief.refusal(intake).is_some() {
            let attempt = mischief.by(n, &parent.binding);
            parent.relay(&mut tape, &attempt).unwrap_err();
        }
    }
    // Whoever is in comes again, all at once, with copies of each.
    let at_once: Vec<_> = parent
        .accepted
        .iter()
        .flat_map(|known| [known.clone(), known.copied_by(70)])
        .map(|one| one.header.into())
        .collect();
    let many = ContributeMany {
        round_id,
        headers: at_once.clone(),
    };
    let said = tape.say(Command::ContributeMany(Box::new(many)));
    assert_eq!(
        matches!(&said, Reply::Verdicts(verdicts) if verdicts.len() == at_once.len()),
        intake == Intake::Presum,
        "{said:?}"
    );
    let nonce = Digest::new([1; 32]);
    let _ = tape.say(Command::Attest(Attest { round_id, nonce }));
    let _ = tape.say(Command::Describe);
    let mut of_other_intake = parent.close_with_invented_sum();
    if intake == Intake::Presum {
        of_other_intake.sum_root = None;
    }
    for close in [
        parent.close_with_invented_cohort(),
        of_other_intake,
        parent.close_excluding(&[client_id(0), client_id(1)]),
    ] {
        let said = tape.say(Command::Close(close));
        assert!(matches!(said, Reply::Refused(_)), "{said:?}");
    }
    finish(end, &enclave, &parent, &mut tape);
    let replayed = tape.said();
    for spoken in shuffled(replayed, seed).iter().skip(1) {
        if !matches!(spoken.command, Command::OpenRound(_)) {
            let _ = spoken.say(&mut tape);
        }
    }
    let _ = tape.say(Command::Status(Status { round_id }));
    tape.answers()
}

fn finish(
    end: End,
    enclave: &LocalEnclave,
    parent: &ScriptedParent,
    tape: &mut Tape<LocalEnclave>,
) {
    match end {
        End::Aborted => drop(parent.abort(tape)),
        End::ShutDown => enclave.shutdown(),
        End::AbortedAfterClose => {
            parent.close(tape).unwrap();
            assert!(matches!(parent.abort(tape), Reply::Aborted(_)));
        }
        End::Lost => {
            parent.close(tape).unwrap();
            parent.release_block(tape, 0).unwrap();
            enclave.clock.advance(RELEASE_TIMEOUT_MS + 1);
            enclave.erase_overdue();
            parent.release_block(tape, 1).unwrap_err();
        }
        End::Released => {
            parent.close(tape).unwrap();
            let second = parent.without(&client_id(0));
            tape.refused(Command::Close(second.honest_close()));
            let other = second.release_block(tape, 0);
            assert_eq!(
                other.is_err(),
                parent.terms().intake == Intake::Presum,
                "in stream there is nothing to bring"
            );
            let late = UncheckedClient::new(60).contribute(&parent.binding, &vec![0.0; 16_385]);
            for spoken in parent.spoken(&late) {
                let _ = spoken.say(tape);
            }
            for _ in 0..4 {
                let _ = parent.release_block(tape, 1);
            }
            let _ = parent.release_block(tape, 0);
            parent.finish(tape).unwrap();
            let round_id = parent.round_id();
            let _ = tape.say(Command::Acknowledge(Acknowledge { round_id }));
        }
    }
}
