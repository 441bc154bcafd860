//! Where it listens, and what it says when it can't.

use sealsum_protocol::messages::Attest;
use sealsum_protocol::{Command, Digest, Refusal, Reply, RoundId};

use crate::process::{Files, Mock, fails};
use crate::wire::NONCE;

#[test]
fn a_round_opens_and_is_attested_over_tcp() {
    let mock = Mock::on_tcp(&[]);
    assert!(mock.listening().starts_with("tcp:127.0.0.1:"));
    assert!(!mock.listening().ends_with(":0"));
    a_round_is_attested(&mock);
}

#[test]
fn a_round_opens_and_is_attested_over_a_unix_socket() {
    let files = Files::new();
    let mock = Mock::start(&format!("unix:{}", files.text("socket")), &[]);
    assert_eq!(mock.listening(), format!("unix:{}", files.text("socket")));
    a_round_is_attested(&mock);
}

fn a_round_is_attested(mock: &Mock) {
    let offer = mock.connect().offer(&NONCE);
    assert!(!offer.evidence.is_empty());
    // Rounds belong to the process, not to the connection that opened them.
    let attest = |round_id| {
        let nonce = Digest::new([8; 32]);
        mock.connect()
            .ask(&Command::Attest(Attest { round_id, nonce }))
    };
    assert!(matches!(
        attest(offer.binding.round_id()),
        Reply::Evidence(_)
    ));
    let unknown = attest(RoundId::new([9; 32]));
    assert_eq!(unknown, Reply::Refused(Refusal::UnknownRound));
}

#[test]
fn the_ready_line_and_the_banner_say_mock() {
    let mock = Mock::on_tcp(&[]);
    assert_eq!(mock.ready["trust"], "mock");
    let pcr0 = mock.ready["pcr0"].as_str().unwrap();
    assert_eq!(pcr0.len(), 96);
    assert!(pcr0.bytes().any(|digit| digit != b'0'));
    assert_eq!(mock.ready.as_object().unwrap().len(), 3);
    assert!(mock.kill().contains("MOCK"));
}

#[test]
fn a_socket_left_by_a_killed_mock_is_taken_over_and_a_live_one_is_not() {
    let files = Files::new();
    let address = format!("unix:{}", files.text("socket"));
    let first = Mock::start(&address, &[]);
    let second = fails(&address, &[]);
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("listening on unix:"), "{said}");
    assert!(first.connect().is_answered());
    first.kill();
    assert!(files.path("socket").exists());
    assert!(Mock::start(&address, &[]).connect().is_answered());
}

#[test]
fn a_taken_port_is_named() {
    let mock = Mock::on_tcp(&[]);
    let said = refusal(&fails(mock.listening(), &[]));
    assert!(said.contains(mock.listening()), "{said}");
    assert_eq!(said.matches("os error").count(), 1, "{said}");
}

#[test]
fn a_damaged_root_is_named_and_another_policy_is_not_overwritten() {
    let files = Files::new();
    let (state, policy) = (files.text("state"), files.text("p.toml"));
    Mock::on_tcp(&["--state", &state, "--write-policy", &policy]).kill();
    let kept = std::fs::read_to_string(&policy).unwrap();

    // Another root, under the same name.
    let said = refusal(&fails("tcp:127.0.0.1:0", &["--write-policy", &policy]));
    assert!(said.contains("p.root.pem"), "{said}");
    assert!(said.contains("--force"), "{said}");
    assert_eq!(std::fs::read_to_string(&policy).unwrap(), kept);
    Mock::on_tcp(&["--write-policy", &policy, "--force"]).kill();

    let root = files.path("state").join(sealsum_softnsm::ROOT_FILE);
    std::fs::write(&root, "no key").unwrap();
    let said = refusal(&fails("tcp:127.0.0.1:0", &["--state", &state]));
    assert!(said.contains(root.to_str().unwrap()), "{said}");
}

/// Its last words: one sentence under the banner, with the exit code for what it was given.
fn refusal(ended: &std::process::Output) -> String {
    let said = String::from_utf8(ended.stderr.clone()).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(ended.stdout.is_empty(), "nothing listens: {said}");
    let words: Vec<_> = said
        .lines()
        .filter(|line| !line.starts_with("MOCK"))
        .collect();
    let [sentence] = words[..] else {
        panic!("more than one line: {said}");
    };
    sentence.to_owned()
}

#[test]
fn the_memory_that_rounds_may_take_is_what_was_given() {
    let mock = Mock::on_tcp(&["--memory-mib", "1"]);
    let Reply::Description(description) = mock.connect().ask(&Command::Describe) else {
        panic!("expected a description");
    };
    assert_eq!(description.memory_ceiling, 1 << 20);
    assert_eq!(
        fails("tcp:127.0.0.1:0", &["--memory-mib", "0"])
            .status
            .code(),
        Some(2)
    );
}
