//! A mock's evidence: judged like any other, and never without saying what it is.

use sealsum_protocol::{ClientNonce, nonce};

use crate::desk::{Desk, Mock, SIGNED_MS, hex_of, mock_policy};

#[test]
fn a_mock_is_appraised_only_if_it_is_asked_for_twice_and_called_one() {
    let desk = Desk::furnished();
    let line = format!("verify answer.cbor --policy mock.toml --at {SIGNED_MS}");
    assert_eq!(desk.say(&line).refusal(), (2, "mock_disagrees"));
    let said = desk.say(&format!("{line} --mock"));
    assert_eq!((said.exit, said.text("/trust")), (0, "mock"));
    let (_, text) = desk.tell(&format!("{line} --mock"));
    assert!(
        text.contains("trust      mock: NOTHING IS PROTECTED"),
        "{text}"
    );
    let real = desk.say(&format!(
        "verify answer.cbor --policy policy.toml --at {SIGNED_MS}"
    ));
    assert_eq!(real.refusal(), (1, "root-not-pinned"));
}

#[test]
fn a_nonce_is_compared_as_a_whole() {
    let desk = Desk::furnished();
    let judge = |nonce: &str| {
        desk.say(&format!(
            "verify answer.cbor --policy mock.toml --mock --at {SIGNED_MS} --nonce {nonce}"
        ))
    };
    let said = judge(&"4e".repeat(32));
    assert_eq!((said.exit, said.text("/checks/7/outcome")), (0, "passed"));
    for other in ["4e".repeat(31), "4e".repeat(33), "4f".repeat(32)] {
        assert_eq!(judge(&other).refusal(), (1, "wrong-nonce"), "{other}");
    }
}

#[test]
fn a_batched_nonce_is_led_along_its_path() {
    let desk = Desk::empty();
    let mock = Mock::boot();
    desk.write("mock-root.pem", mock.root.root_pem());
    desk.write("mock.toml", mock_policy());
    let nonces: Vec<_> = (1..=3).map(|n| ClientNonce::new([n; 32])).collect();
    let (root, paths) = nonce::gather(&nonces);
    desk.write("document.cbor", mock.attest(Some(&root), None));
    let steps: Vec<_> = paths[1].path.iter().map(ToString::to_string).collect();
    let path = serde_json::json!({ "index": 1, "size": 3, "path": steps });
    desk.write("path.json", path.to_string());
    desk.write("path.cbor", sealsum_protocol::canonical::encode(&paths[1]));
    let judge = |nonce: u8, further: &str| {
        desk.say(&format!(
            "verify document.cbor --policy mock.toml --mock --at {SIGNED_MS} --nonce {} {further}",
            hex_of([nonce; 32])
        ))
    };
    assert_eq!(judge(2, "--nonce-path path.json").exit, 0);
    assert_eq!(judge(2, "--nonce-path path.cbor").exit, 0);
    assert_eq!(
        judge(1, "--nonce-path path.json").refusal(),
        (1, "wrong-nonce")
    );
    assert_eq!(judge(2, "").refusal(), (1, "wrong-nonce"));
    desk.write(
        "path.json",
        path.to_string().replace("\"size\":3", "\"size\":2"),
    );
    assert_eq!(
        judge(2, "--nonce-path path.json").refusal(),
        (1, "nonce-path")
    );
    desk.write("path.json", "{\"index\": 1}");
    assert_eq!(
        judge(2, "--nonce-path path.json").refusal(),
        (2, "nonce_path")
    );
}
