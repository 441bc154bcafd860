//! A parent that asks for the same opening again: because it missed the reply, or to see what
//! more it gets.

use std::sync::atomic::Ordering;

use sealsum_protocol::messages::{Description, OpenRound, Phase, Status};
use sealsum_protocol::{
    Command, Intake, OpeningId, Refusal, Reply, RoundBinding, RoundTerms, SignedRoundParams,
};
use sealsum_testkit::{
    Link, LocalEnclave, ScriptedParent, open_round, presum, sign, stream, terms,
};

/// One opening, as often as a test asks for it.
fn ask(enclave: &mut impl Link, number: u8, params: SignedRoundParams) -> Reply {
    enclave.say(Command::OpenRound(Box::new(OpenRound {
        opening: OpeningId::new([number; 32]),
        params,
    })))
}

fn opened(reply: Reply) -> RoundBinding {
    match reply {
        Reply::Opened(opened) => opened.binding,
        other => panic!("{other:?}"),
    }
}

fn describe(enclave: &mut impl Link) -> Description {
    match enclave.say(Command::Describe) {
        Reply::Description(about) => about,
        other => panic!("{other:?}"),
    }
}

fn status(enclave: &mut impl Link, binding: &RoundBinding) -> (Phase, u32) {
    let round_id = binding.round_id();
    match enclave.say(Command::Status(Status { round_id })) {
        Reply::Status(status) => (status.phase, status.contributions),
        other => panic!("{other:?}"),
    }
}

fn numbered(round_number: u64) -> RoundTerms {
    RoundTerms {
        round_number,
        ..stream()
    }
}

#[test]
fn asked_again_an_opening_gives_its_round_and_takes_and_draws_nothing() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut enclave = LocalEnclave::new(1);
        let binding = opened(ask(&mut enclave, 1, sign(terms(intake))));
        let mut parent = ScriptedParent {
            binding: binding.clone(),
            accepted: Vec::new(),
        };
        parent.fill(&mut enclave, 0..2, 0.5);
        let before = describe(&mut enclave);
        // Were a key drawn, this would be refused.
        enclave.broken.store(true, Ordering::Relaxed);
        for connection in 1..100 {
            let mut another = enclave.connect(connection);
            let again = opened(ask(&mut another, 1, sign(terms(intake))));
            assert_eq!(again, binding);
        }
        assert_eq!(describe(&mut enclave), before);
        assert_eq!(status(&mut enclave, &binding), (Phase::Collecting, 2));
        // It is the round that it was: its clients are in, and it ends once.
        parent.fill(&mut enclave, [2], 0.5);
        parent.close(&mut enclave).unwrap();
        assert_eq!(parent.release(&mut enclave).0, vec![1.5; 20]);
    }
}

#[test]
fn an_opening_of_other_parameters_is_refused_and_changes_nothing() {
    let mut enclave = LocalEnclave::new(1);
    let binding = opened(ask(&mut enclave, 1, sign(stream())));
    let before = describe(&mut enclave);
    let mut unsigned = sign(stream());
    unsigned.signature = sign(presum()).signature;
    for other in [sign(numbered(2)), sign(presum()), unsigned] {
        let refused = ask(&mut enclave, 1, other);
        assert_eq!(refused, Reply::Refused(Refusal::Malformed));
    }
    assert_eq!(describe(&mut enclave), before);
    assert_eq!(opened(ask(&mut enclave, 1, sign(stream()))), binding);
    // Another opening of the same parameters shares nothing with it.
    let other = opened(ask(&mut enclave, 2, sign(stream())));
    assert_ne!(other.kem_key, binding.kem_key);
    assert_ne!(other.receipt_key, binding.receipt_key);
}

#[test]
fn an_opening_whose_round_collects_no_more_gives_none() {
    type End = fn(&mut LocalEnclave, &mut ScriptedParent) -> Phase;
    let ends: [End; 3] = [
        |enclave, parent| {
            parent.abort(enclave);
            Phase::Aborted
        },
        |enclave, parent| {
            parent.close(enclave).unwrap();
            Phase::Releasing
        },
        |enclave, parent| {
            parent.close(enclave).unwrap();
            parent.release(enclave);
            Phase::Released
        },
    ];
    for end in ends {
        let mut enclave = LocalEnclave::new(1);
        let binding = opened(ask(&mut enclave, 1, sign(stream())));
        let mut parent = ScriptedParent {
            binding: binding.clone(),
            accepted: Vec::new(),
        };
        parent.fill(&mut enclave, 0..3, 0.5);
        let phase = end(&mut enclave, &mut parent);
        let before = describe(&mut enclave);
        // A command that was late, say: neither this round, nor a second one that nobody wants.
        let again = ask(&mut enclave, 1, sign(stream()));
        assert_eq!(again, Reply::Refused(Refusal::WrongPhase { phase }));
        assert_eq!(describe(&mut enclave), before);
        assert_eq!(status(&mut enclave, &binding), (phase, 3));
        let next = opened(ask(&mut enclave, 2, sign(stream())));
        assert_ne!(next.kem_key, binding.kem_key);
        assert_ne!(next.receipt_key, binding.receipt_key);
    }
}

#[test]
fn an_opening_is_known_as_long_as_its_round() {
    let mut enclave = LocalEnclave::new(1);
    let first = opened(ask(&mut enclave, 0, sign(stream())));
    let end = |enclave: &mut LocalEnclave, binding| {
        let accepted = Vec::new();
        ScriptedParent { binding, accepted }.abort(enclave)
    };
    end(&mut enclave, first.clone());
    // The records of 64 rounds are kept, so the last of these pushes the first one out.
    for n in 1..=64 {
        let phase = Phase::Aborted;
        let known = ask(&mut enclave, 0, sign(stream()));
        assert_eq!(known, Reply::Refused(Refusal::WrongPhase { phase }));
        let next = opened(ask(&mut enclave, n, sign(stream())));
        end(&mut enclave, next);
    }
    let anew = opened(ask(&mut enclave, 0, sign(stream())));
    assert_ne!(anew.round_id(), first.round_id());
    assert_ne!(anew.kem_key, first.kem_key);
    assert_eq!(describe(&mut enclave).open_rounds, 1);
}

#[test]
fn repeated_openings_pass_no_limit() {
    let mut enclave = LocalEnclave::new(1);
    let rounds: Vec<_> = (0..64)
        .map(|n| opened(ask(&mut enclave, n, sign(numbered(n.into())))))
        .collect();
    let full = describe(&mut enclave);
    assert_eq!(full.open_rounds, 64);
    let too_many = Reply::Refused(Refusal::TooManyRounds { limit: 64 });
    for (n, binding) in (0..64).zip(&rounds) {
        let again = ask(&mut enclave, n, sign(numbered(n.into())));
        assert_eq!(opened(again), *binding);
        assert_eq!(enclave.say(open_round(sign(stream()))), too_many);
    }
    assert_eq!(describe(&mut enclave), full);
    // One that has ended gives its place to another, and takes none back.
    let ended = ScriptedParent {
        binding: rounds[5].clone(),
        accepted: Vec::new(),
    };
    ended.abort(&mut enclave);
    opened(enclave.say(open_round(sign(stream()))));
    let phase = Phase::Aborted;
    let again = ask(&mut enclave, 5, sign(numbered(5)));
    assert_eq!(again, Reply::Refused(Refusal::WrongPhase { phase }));
    assert_eq!(describe(&mut enclave).open_rounds, 64);
}

#[test]
fn a_repeated_opening_needs_no_memory_and_gets_none() {
    let Reply::Refused(Refusal::Memory { needed, .. }) =
        ask(&mut LocalEnclave::with_memory(1, 0), 1, sign(stream()))
    else {
        panic!("a round in no memory")
    };
    let mut enclave = LocalEnclave::with_memory(1, needed);
    let binding = opened(ask(&mut enclave, 1, sign(stream())));
    assert_eq!(opened(ask(&mut enclave, 1, sign(stream()))), binding);
    let available = 0;
    let none = Reply::Refused(Refusal::Memory { needed, available });
    assert_eq!(ask(&mut enclave, 2, sign(stream())), none);
    assert_eq!(describe(&mut enclave).memory_reserved, needed);
}

#[test]
fn an_enclave_that_shuts_down_gives_no_round_again() {
    let mut enclave = LocalEnclave::new(1);
    let binding = opened(ask(&mut enclave, 1, sign(stream())));
    enclave.shutdown();
    let again = ask(&mut enclave, 1, sign(stream()));
    assert_eq!(again, Reply::Refused(Refusal::ShuttingDown));
    assert_eq!(status(&mut enclave, &binding), (Phase::Aborted, 0));
    assert_eq!(describe(&mut enclave).open_rounds, 0);
}
