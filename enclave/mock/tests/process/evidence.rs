//! What a relying party makes of the evidence: accepted as a mock's when sound, and
//! for each fault the rejection that it stands for.

use std::time::{Duration, Instant};

use sealsum_attestation::{AppraisedEnclave, Rejection, Trust, appraise_offer};
use sealsum_protocol::ClientNonce;

use crate::process::{Files, Mock, now};
use crate::wire::NONCE;

/// Starts a mock with these flags and appraises its evidence by the policy it wrote.
fn appraised_with(flags: &[&str]) -> Result<AppraisedEnclave, Rejection> {
    let files = Files::new();
    let policy = files.text("policy.toml");
    let mock = Mock::on_tcp(&[&["--write-policy", &policy], flags].concat());
    let offer = mock.connect().offer(&NONCE);
    appraise_offer(&offer, &files.policy("policy.toml"), now(), &NONCE)
}

fn rejection(flags: &[&str]) -> &'static str {
    appraised_with(flags).unwrap_err().code()
}

#[test]
fn sound_evidence_is_accepted_as_a_mocks() {
    let enclave = appraised_with(&[]).unwrap();
    assert_eq!(enclave.trust(), Trust::Mock);
    assert!(!enclave.is_debug());
    assert!(
        enclave
            .measurement_label()
            .starts_with("sealsum-mock-enclave ")
    );
}

#[test]
fn evidence_answers_one_challenge() {
    let files = Files::new();
    let mock = Mock::on_tcp(&["--write-policy", &files.text("policy.toml")]);
    let offer = mock.connect().offer(&NONCE);
    let other = ClientNonce::new([0x4f; 32]);
    let verdict = appraise_offer(&offer, &files.policy("policy.toml"), now(), &other);
    assert_eq!(verdict.unwrap_err().code(), "wrong-nonce");
}

#[test]
fn the_policy_and_the_ready_line_name_the_same_image() {
    let files = Files::new();
    let mock = Mock::on_tcp(&["--write-policy", &files.text("policy.toml"), "--wrong-pcr0"]);
    let policy = files.policy("policy.toml");
    let (_, pcr0) = policy.measurements()[0].expected().next().unwrap();
    assert_eq!(mock.ready["pcr0"], pcr0.to_string());
}

#[test]
fn debug_registers_are_rejected_as_debug_mode() {
    assert_eq!(rejection(&["--debug-pcrs"]), "debug-mode");
}

#[test]
fn an_expired_leaf_is_rejected_as_expired() {
    assert_eq!(rejection(&["--expired-leaf"]), "certificate-expired");
}

#[test]
fn another_image_is_rejected_by_its_register() {
    assert_eq!(rejection(&["--wrong-pcr0"]), "wrong-pcr");
}

#[test]
fn a_clock_ten_minutes_behind_is_rejected_as_too_old() {
    assert_eq!(rejection(&["--clock-offset-ms", "-600000"]), "too-old");
}

#[test]
fn a_clock_ten_minutes_ahead_is_rejected_as_not_valid_yet() {
    // The leaf is as new as the document, and the chain comes first.
    let ahead = rejection(&["--clock-offset-ms", "600000"]);
    assert_eq!(ahead, "certificate-not-yet-valid");
}

#[test]
fn a_slow_module_delays_its_evidence_and_nothing_else() {
    let mock = Mock::on_tcp(&["--attest-delay-ms", "1500"]);
    let mut wire = mock.connect();
    let started = Instant::now();
    wire.open();
    let opened = started.elapsed();
    wire.offer(&NONCE);
    let attested = started.elapsed();
    assert!(opened < Duration::from_millis(1500), "{opened:?}");
    assert!(attested >= Duration::from_millis(1500), "{attested:?}");
}
