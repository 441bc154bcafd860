//! How rounds end when a process ends: aborted with a proof that frees the clients, or
//! lost without one.

use std::time::{Duration, Instant};

use sealsum_e2e::{Enclave, Hospital, Lab, Parent, run};

/// A lab with a round that one hospital has contributed to.
fn spent(lab: &Lab) -> (String, Hospital, String) {
    let round = lab.open(&lab.request());
    let hospital = lab.hospital("clinic");
    let update = lab.numbers("update.npy", &[0.25; 20]);
    let _ = hospital.contribute(&lab.parent.url, &round, &update).ok();
    (round, hospital, update)
}

/// What `round status` says to people.
fn said(lab: &Lab, round: &str) -> String {
    let output = run(&["round", "status", "--parent", &lab.parent.url, round]);
    String::from_utf8(output.stdout).unwrap()
}

fn refunded_by_an_abort_receipt(lab: &Lab, hospital: &Hospital, round: &str) {
    let refund = hospital.refund(&lab.parent.url, round).ok();
    assert_eq!(refund["proof"], "abort_receipt", "{refund}");
}

#[test]
fn sigterm_to_the_parent_aborts_what_collects_and_the_proof_frees_its_clients() {
    let mut lab = Lab::start();
    let (round, hospital, update) = spent(&lab);
    assert_eq!(lab.parent.terminate(), Some(0));
    lab.parent = Parent::start(lab.folder(), &lab.enclave.address);
    assert_eq!(lab.status(&round)["phase"], "aborted");
    assert!(said(&lab, &round).contains("aborted: nothing was released"));
    let again = lab.open(&lab.request());
    let second = hospital.contribute(&lab.parent.url, &again, &update);
    assert_eq!(second.refused(1).0, "spent_before");
    refunded_by_an_abort_receipt(&lab, &hospital, &round);
    let freed = hospital.contribute(&lab.parent.url, &again, &update);
    assert_eq!(freed.ok()["round_id"], again.as_str());
}

#[test]
fn a_parent_that_restarts_in_passing_keeps_its_rounds() {
    let mut lab = Lab::start();
    lab.parent.kill();
    let keep = ["--on-shutdown", "keep"];
    lab.parent = Parent::start_with(lab.folder(), &lab.enclave.address, &keep);
    let (round, _, _) = spent(&lab);
    assert_eq!(lab.parent.terminate(), Some(0));
    lab.parent = Parent::start_with(lab.folder(), &lab.enclave.address, &keep);
    let status = lab.status(&round);
    assert_eq!(status["phase"], "collecting");
    assert_eq!(status["contributions"], 1);
}

#[test]
fn sigterm_to_the_enclave_aborts_and_the_parent_fetches_the_proof_unasked() {
    let mut lab = Lab::with_enclave_flags(&["--grace-ms", "60000"]);
    let (round, hospital, _) = spent(&lab);
    lab.enclave.terminate();
    // It stays up for the parent, and no longer than it takes.
    let begun = Instant::now();
    assert_eq!(lab.enclave.ended(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(30), "{begun:?}");
    assert_eq!(lab.status(&round)["phase"], "aborted");
    refunded_by_an_abort_receipt(&lab, &hospital, &round);
}

#[test]
fn an_enclave_that_vanishes_leaves_a_lost_round_which_nothing_frees() {
    let mut lab = Lab::start();
    let (round, hospital, update) = spent(&lab);
    let address = lab.enclave.address.clone();
    lab.enclave.kill();
    lab.enclave = Enclave::start_at(lab.folder(), &address, &[]);
    assert_eq!(lab.status(&round)["phase"], "lost");
    assert!(said(&lab, &round).contains("lost: its enclave is gone"));
    let arguments = [
        "round",
        "abort",
        "--json",
        "--parent",
        &lab.parent.url,
        &round,
    ];
    let abort = run(&arguments);
    assert_eq!(abort.status.code(), Some(1));
    let abort = String::from_utf8(abort.stdout).unwrap();
    assert!(abort.contains("round_lost"), "{abort}");
    let (code, _) = hospital.refund(&lab.parent.url, &round).refused(1);
    assert_eq!(code, "no_proof");
    // The restarted parent knows, too.
    assert_eq!(lab.parent.terminate(), Some(0));
    lab.parent = Parent::start(lab.folder(), &address);
    assert_eq!(lab.status(&round)["phase"], "lost");
    let next = lab.open(&lab.request());
    let _ = hospital
        .contribute(&lab.parent.url, &next, &update)
        .refused(1);
}

#[test]
fn an_enclave_that_is_silent_for_too_long_is_given_up() {
    let mut lab = Lab::start();
    lab.parent.kill();
    let soon = ["--lost-after-s", "1"];
    lab.parent = Parent::start_with(lab.folder(), &lab.enclave.address, &soon);
    let (round, _, _) = spent(&lab);
    lab.enclave.kill();
    let begun = Instant::now();
    while lab.status(&round)["phase"] != "lost" {
        assert!(begun.elapsed() < Duration::from_secs(30), "never given up");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_enclave_whose_parent_never_asks_ends_when_its_grace_is_over() {
    let mut lab = Lab::with_enclave_flags(&["--grace-ms", "300"]);
    let _ = spent(&lab);
    lab.parent.kill();
    let begun = Instant::now();
    lab.enclave.terminate();
    assert_eq!(lab.enclave.ended(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_second_signal_ends_the_enclave_at_once() {
    let mut lab = Lab::with_enclave_flags(&["--grace-ms", "600000"]);
    let _ = spent(&lab);
    lab.parent.kill();
    lab.enclave.terminate();
    std::thread::sleep(Duration::from_millis(300));
    assert!(lab.enclave.runs(), "a receipt is still to be fetched");
    lab.enclave.terminate();
    assert_eq!(lab.enclave.ended(), None, "ended by the signal");
}
