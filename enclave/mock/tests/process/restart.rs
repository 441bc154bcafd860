//! What outlives a mock: the root's key if a folder is given for it, never a round.

use sealsum_attestation::appraise_offer;
use sealsum_protocol::messages::Status;
use sealsum_protocol::{Command, Refusal, Reply};

use crate::process::{Files, Mock, now};
use crate::wire::NONCE;

#[test]
fn a_pinned_root_outlives_a_restart_with_state() {
    let files = Files::new();
    let state = files.text("state");
    let first = Mock::on_tcp(&["--state", &state, "--write-policy", &files.text("p.toml")]);
    first.kill();
    // The second mock writes no policy: the first one's has to do.
    let second = Mock::on_tcp(&["--state", &state]);
    let offer = second.connect().offer(&NONCE);
    let verdict = appraise_offer(&offer, &files.policy("p.toml"), now(), &NONCE);
    assert!(verdict.is_ok(), "{verdict:?}");
    let kept: Vec<_> = std::fs::read_dir(state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(kept, [sealsum_softnsm::ROOT_FILE]);
}

#[test]
fn without_state_each_start_has_another_root() {
    let files = Files::new();
    Mock::on_tcp(&["--write-policy", &files.text("p.toml")]).kill();
    let second = Mock::on_tcp(&[]);
    let offer = second.connect().offer(&NONCE);
    let verdict = appraise_offer(&offer, &files.policy("p.toml"), now(), &NONCE);
    assert_eq!(verdict.unwrap_err().code(), "root-not-pinned");
}

#[test]
fn open_rounds_are_lost_with_the_process() {
    let files = Files::new();
    let state = files.text("state");
    let first = Mock::on_tcp(&["--state", &state]);
    let round_id = first.connect().open().round_id();
    let status = |mock: &Mock| mock.connect().ask(&Command::Status(Status { round_id }));
    assert!(matches!(status(&first), Reply::Status(_)));
    first.kill();
    let second = Mock::on_tcp(&["--state", &state]);
    assert_eq!(status(&second), Reply::Refused(Refusal::UnknownRound));
}
