//! How an enclave ends: what it still says, what it owes, and what it erases meanwhile.

use sealsum_enclave_core::RELEASE_TIMEOUT_MS;
use sealsum_protocol::messages::{Attest, Phase, Status};
use sealsum_protocol::{Command, Digest, Intake, Refusal, Reply};
use sealsum_testkit::{
    Link as _, LocalEnclave, ScriptedParent, UncheckedClient, open_round, sign, terms,
};

fn filled(enclave: &mut LocalEnclave, intake: Intake) -> ScriptedParent {
    let mut parent = ScriptedParent::open(enclave, terms(intake));
    let update = vec![0.25; usize::try_from(parent.terms().dimension).unwrap()];
    for n in 0..3 {
        let contribution = UncheckedClient::new(n).contribute(&parent.binding, &update);
        parent.relay(enclave, &contribution).unwrap();
    }
    parent
}

fn phase(enclave: &mut LocalEnclave, parent: &ScriptedParent) -> Phase {
    let round_id = parent.round_id();
    match enclave.say(Command::Status(Status { round_id })) {
        Reply::Status(status) => status.phase,
        other => panic!("{other:?}"),
    }
}

fn open(enclave: &mut LocalEnclave) -> Reply {
    enclave.say(open_round(sign(terms(Intake::Stream))))
}

fn reserved(enclave: &mut LocalEnclave) -> u64 {
    match enclave.say(Command::Describe) {
        Reply::Description(description) => description.memory_reserved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shutdown_aborts_what_collects_and_keeps_the_receipt_for_whoever_asks() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut enclave = LocalEnclave::new(1);
        let parent = filled(&mut enclave, intake);
        enclave.shutdown();
        assert_eq!(phase(&mut enclave, &parent), Phase::Aborted);
        assert!(!enclave.is_at_rest(), "nobody has the receipt yet");
        let Reply::Aborted(receipt) = parent.abort(&mut enclave) else {
            panic!("no abort receipt");
        };
        let stated = receipt
            .verify(&parent.binding.receipt_key, &parent.round_id())
            .unwrap();
        assert_eq!((stated.round_id, stated.discarded), (parent.round_id(), 3));
        assert!(enclave.is_at_rest());
        assert_eq!(parent.abort(&mut enclave), Reply::Aborted(receipt));
    }
}

#[test]
fn after_a_shutdown_nothing_opens_collects_attests_or_closes() {
    let mut enclave = LocalEnclave::new(1);
    let parent = filled(&mut enclave, Intake::Stream);
    let update = vec![0.5; usize::try_from(parent.terms().dimension).unwrap()];
    let late = UncheckedClient::new(9).contribute(&parent.binding, &update);
    enclave.shutdown();
    let aborted = Refusal::WrongPhase {
        phase: Phase::Aborted,
    };
    assert_eq!(open(&mut enclave), Reply::Refused(Refusal::ShuttingDown));
    let mut hopeful = ScriptedParent {
        binding: parent.binding.clone(),
        accepted: Vec::new(),
    };
    assert_eq!(hopeful.relay(&mut enclave, &late), Err(aborted));
    assert_eq!(parent.close(&mut enclave), Err(aborted));
    assert_eq!(parent.release_block(&mut enclave, 0), Err(aborted));
    let attest = Command::Attest(Attest {
        round_id: parent.round_id(),
        nonce: Digest::new([1; 32]),
    });
    assert_eq!(enclave.say(attest), Reply::Refused(aborted));
}

#[test]
fn a_shutdown_erases_the_sum_of_a_round_that_collects_at_once() {
    let mut enclave = LocalEnclave::new(1);
    filled(&mut enclave, Intake::Stream);
    assert!(reserved(&mut enclave) > 0);
    enclave.shutdown();
    assert_eq!(reserved(&mut enclave), 0, "its memory is given back");
}

#[test]
fn a_round_that_releases_goes_on_through_a_shutdown_and_keeps_the_enclave_up() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut enclave = LocalEnclave::new(1);
        let parent = filled(&mut enclave, intake);
        parent.close(&mut enclave).unwrap();
        parent.release_block(&mut enclave, 0).unwrap();
        enclave.shutdown();
        assert_eq!(phase(&mut enclave, &parent), Phase::Releasing);
        assert!(!enclave.is_at_rest());
        assert_eq!(
            parent.abort(&mut enclave),
            Reply::Refused(Refusal::WrongPhase {
                phase: Phase::Releasing
            }),
            "a block is out: no shutdown turns that into an abort (I13)"
        );
        let (values, _) = parent.release(&mut enclave);
        assert!((values[0] - 0.75).abs() < 1e-3, "{}", values[0]);
        assert_eq!(phase(&mut enclave, &parent), Phase::Released);
        assert!(enclave.is_at_rest());
    }
}

#[test]
fn another_shutdown_changes_nothing_and_an_idle_enclave_is_at_rest_at_once() {
    let mut enclave = LocalEnclave::new(1);
    assert!(!enclave.is_at_rest(), "it was not told to end");
    let parent = filled(&mut enclave, Intake::Stream);
    enclave.shutdown();
    let first = parent.abort(&mut enclave);
    enclave.shutdown();
    assert!(enclave.is_at_rest(), "the receipt was fetched before");
    assert_eq!(parent.abort(&mut enclave), first);
    let idle = LocalEnclave::new(2);
    idle.shutdown();
    assert!(idle.is_at_rest());
}

#[test]
fn an_overdue_release_is_erased_by_the_timer_without_any_command() {
    let mut enclave = LocalEnclave::new(1);
    let parent = filled(&mut enclave, Intake::Stream);
    parent.close(&mut enclave).unwrap();
    parent.release_block(&mut enclave, 0).unwrap();
    enclave.shutdown();
    enclave.clock.advance(RELEASE_TIMEOUT_MS - 1);
    enclave.erase_overdue();
    assert!(!enclave.is_at_rest(), "its time is not over yet");
    enclave.clock.advance(2);
    // A question to the enclave would erase by itself; this one does not reach `handle`.
    assert!(!enclave.is_at_rest());
    enclave.erase_overdue();
    assert!(enclave.is_at_rest());
    assert_eq!(phase(&mut enclave, &parent), Phase::Lost);
}

#[test]
fn an_overdue_round_of_which_nothing_is_out_is_owed_its_abort_receipt() {
    let mut enclave = LocalEnclave::new(1);
    let parent = filled(&mut enclave, Intake::Presum);
    parent.close(&mut enclave).unwrap();
    enclave.clock.advance(RELEASE_TIMEOUT_MS + 1);
    enclave.erase_overdue();
    enclave.shutdown();
    assert!(!enclave.is_at_rest(), "nobody has the receipt yet");
    assert!(matches!(parent.abort(&mut enclave), Reply::Aborted(_)));
    assert!(enclave.is_at_rest());
}
