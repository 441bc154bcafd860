//! One thing wrong: the refusal says what was expected, what was found, and what to do.

use crate::desk::{DOCUMENT, Desk, POLICY, measurement, real_document, registers};

#[test]
fn one_flipped_byte_anywhere_is_refused_and_the_refusal_says_why() {
    let desk = Desk::furnished();
    let document = real_document(DOCUMENT);
    let mut flipped = document.clone();
    // Within the signed payload: the digits of the instance's id.
    let at = document
        .windows(6)
        .position(|part| part == b"i-0368")
        .unwrap();
    flipped[at + 2] ^= 1;
    desk.write("flipped.cbor", &flipped);
    let (exit, text) = desk.tell("verify flipped.cbor --policy policy.toml --archived");
    assert_eq!(exit, 1);
    let expected = "✗ 5 signature  the document's signature does not verify under its leaf \
        certificate: it was altered or forged; ask for another one\n\
        · 6 debug      not reached\n\
        · 7 image      not reached\n\
        · 8 freshness  not reached\n\
        · 9 binding    not reached\n\
        REJECTED   document-signature (point 5)\n";
    assert!(text.ends_with(expected), "{text}");

    for place in (0..document.len()).step_by(97) {
        let mut flipped = document.clone();
        flipped[place] ^= 0x40;
        desk.write("flipped.cbor", &flipped);
        let said = desk.say("verify flipped.cbor --policy policy.toml --archived");
        assert_eq!(said.exit, 1, "{place}: {}", said.json);
        assert_eq!(said.text("/verdict"), "rejected");
    }
}

#[test]
fn another_image_is_refused_with_the_register_that_differs() {
    let desk = Desk::furnished();
    let other = registers(&real_document("nautilus-20250415-prod-7e9164"));
    desk.write(
        "other.toml",
        POLICY.to_owned() + &measurement("another image", &other),
    );
    let said = desk.say("verify document.cbor --policy other.toml --archived");
    assert_eq!(said.refusal(), (1, "wrong-pcr"));
    let detail = said.text("/rejection/detail");
    let found = &registers(&real_document(DOCUMENT))[0];
    for part in [
        "PCR0",
        found,
        &other[0],
        "add its measurement to the policy",
    ] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert_eq!(said.json["rejection"]["check"], 7);
    assert_eq!(said.json["checks"][6]["outcome"], "failed");
    assert_eq!(said.json["checks"][7]["outcome"], "not-reached");
}

#[test]
fn an_old_document_is_refused_with_its_age_although_its_leaf_is_valid() {
    let desk = Desk::furnished();
    let line = "verify document.cbor --policy policy.toml --at";
    let said = desk.say(&format!("{line} 2026-01-03T20:46:07.402Z"));
    assert_eq!(said.exit, 0);
    let said = desk.say(&format!("{line} 2026-01-03T20:46:07.403Z"));
    assert_eq!(said.refusal(), (1, "too-old"));
    let detail = said.text("/rejection/detail");
    for part in [
        "2026-01-03T20:41:07Z",
        "301 s old",
        "the policy allows 300 s",
        "ask for fresh",
    ] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
}

#[test]
fn expectations_that_do_not_hold_are_rejections() {
    let desk = Desk::furnished();
    let line = "verify document.cbor --policy policy.toml --archived";
    for (further, code) in [
        ("--nonce 00", "no-nonce"),
        ("--user-data 00", "wrong-user-data"),
        ("--user-data ''", "wrong-user-data"),
    ] {
        let said = desk.say(&format!("{line} {further}"));
        assert_eq!(said.refusal(), (1, code), "{further}");
    }
    let document = desk.say("inspect document.cbor");
    let user_data = document.text("/user_data");
    let said = desk.say(&format!("{line} --user-data {user_data}"));
    assert_eq!(said.exit, 0);
    assert_eq!(said.json["checks"][8]["outcome"], "passed");
}

#[test]
fn usage_and_configuration_are_no_verdict() {
    let desk = Desk::furnished();
    desk.write("empty.toml", POLICY);
    let zero = measurement("zero", &["00", "11", "22"].map(|byte| byte.repeat(48)));
    desk.write("zero.toml", POLICY.to_owned() + &zero);
    let sound = desk.read("policy.toml");
    desk.write("debug.toml", "allow_debug = true\n".to_owned() + &sound);
    desk.write("mock-aws.toml", "mock = true\n".to_owned() + &sound);
    desk.write(
        "rootless.toml",
        desk.read("mock.toml")
            .replace("mock = true", "mock = false"),
    );
    desk.write("unknown.toml", "max_age = 1\n".to_owned() + &sound);
    let verify = "verify document.cbor --archived --policy";
    for (line, code) in [
        (format!("{verify} missing.toml"), "file"),
        (format!("{verify} empty.toml"), "policy_invalid"),
        (format!("{verify} zero.toml"), "policy_invalid"),
        (format!("{verify} debug.toml"), "policy_invalid"),
        (format!("{verify} mock-aws.toml"), "policy_invalid"),
        (format!("{verify} rootless.toml"), "policy_invalid"),
        (format!("{verify} unknown.toml"), "policy_invalid"),
        (format!("{verify} mock.toml"), "mock_disagrees"),
        (format!("{verify} policy.toml --mock"), "mock_disagrees"),
        (format!("{verify} policy.toml --at 2026-01-03"), "usage"),
        (format!("{verify} policy.toml --at 0"), "usage"),
        (format!("{verify} policy.toml --nonce xyz"), "usage"),
        (
            format!("{verify} policy.toml --nonce-path policy.toml"),
            "usage",
        ),
        (
            format!("{verify} policy.toml --binding document.cbor"),
            "binding",
        ),
        (
            format!("{verify} policy.toml --endorsement policy.toml"),
            "endorsement-malformed",
        ),
        ("verify document.cbor --archived".to_owned(), "usage"),
        (
            "verify missing.cbor --archived --policy policy.toml".to_owned(),
            "file",
        ),
        (
            "verify measurements.json --archived --policy policy.toml".to_owned(),
            "document",
        ),
        ("inspect measurements.json".to_owned(), "document"),
        ("judge document.cbor".to_owned(), "usage"),
    ] {
        let said = desk.say(&line);
        assert_eq!(said.refusal(), (2, code), "{line}: {}", said.json);
    }
}

#[test]
fn an_empty_document_is_a_rejection() {
    let desk = Desk::furnished();
    let said = desk.say("verify - --archived --policy policy.toml");
    assert_eq!(said.refusal(), (1, "envelope-empty"));
    assert_eq!(said.json["document"], serde_json::Value::Null);
}

#[test]
fn a_strangers_text_does_not_reach_the_terminal_as_it_is() {
    let desk = Desk::furnished();
    desk.write("evil.json", "{\"\\u001b[2J\\u001b]0;owned\\u0007\": 1}");
    let (exit, text) =
        desk.tell("verify document.cbor --archived --policy policy.toml --endorsement evil.json");
    assert_eq!(exit, 2);
    assert!(
        !text.contains('\u{1b}') && text.contains("\\u{1b}"),
        "{text}"
    );
}
