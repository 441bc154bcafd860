//! Policies: written, extended and checked, and always usable when they were written.

use crate::desk::{
    DOCUMENT, Desk, POLICY, image_registers, measurement, real_document, registers, signer,
};

#[test]
fn a_new_policy_accepts_what_it_was_made_from() {
    let desk = Desk::furnished();
    for (from, expected) in [
        ("image.eif", image_registers()),
        ("measurements.json", image_registers()),
        ("document.cbor", registers(&real_document(DOCUMENT))),
    ] {
        let said = desk.say(&format!("policy new --from {from} --label made"));
        assert_eq!(said.exit, 0, "{}", said.json);
        let policy = said.text("/policy");
        for (index, value) in expected.iter().enumerate() {
            assert!(
                policy.contains(&format!("pcr{index} = \"{value}\"")),
                "{policy}"
            );
        }
        assert_eq!(said.json["warning"].is_null(), from == "image.eif");
        desk.write("made.toml", policy);
        assert_eq!(desk.say("policy check made.toml").exit, 0);
    }
    let said = desk.say("verify document.cbor --policy made.toml --archived");
    assert_eq!((said.exit, said.text("/image")), (0, "made"));
}

#[test]
fn the_policy_on_stdout_is_the_policy_and_nothing_else() {
    let desk = Desk::furnished();
    let output = desk.shell(
        "sealsum-attest policy new --from document.cbor > made.toml && \
         sealsum-attest verify document.cbor --policy made.toml --archived",
    );
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn further_registers_are_taken_where_they_are_asked_for() {
    let desk = Desk::furnished();
    let said = desk.say("policy new --from document.cbor --pcr 4");
    assert!(said.text("/policy").contains("pcr4 = "));
    assert_eq!(
        desk.say("policy new --from image.eif --pcr 8").refusal(),
        (2, "no_such_register")
    );
    assert_eq!(
        desk.say("policy new --from document.cbor --pcr 5")
            .refusal(),
        (2, "usage")
    );
    // PCR8 of an unsigned image is zero, which any image without a signature meets.
    assert_eq!(
        desk.say("policy new --from document.cbor --pcr 8")
            .refusal(),
        (2, "policy_invalid")
    );
}

#[test]
fn a_rolling_upgrade_keeps_the_file_and_adds_to_it() {
    let desk = Desk::furnished();
    let old = registers(&real_document("nautilus-20250415-prod-7e9164"));
    desk.write(
        "policy.toml",
        POLICY.to_owned() + "# by hand\n" + measurement("old", &old).trim_end(),
    );
    let before = desk.say("verify document.cbor --policy policy.toml --archived");
    assert_eq!(before.refusal(), (1, "wrong-pcr"));
    assert_eq!(
        desk.say("policy add policy.toml --from document.cbor --label new")
            .exit,
        0
    );
    assert!(desk.read("policy.toml").contains("# by hand"));
    let after = desk.say("verify document.cbor --policy policy.toml --archived");
    assert_eq!((after.exit, after.text("/image")), (0, "new"));
    let checked = desk.say("policy check policy.toml");
    assert_eq!(checked.json["images"], serde_json::json!(["old", "new"]));

    let unchanged = desk.read("policy.toml");
    let twice = desk.say("policy add policy.toml --from document.cbor --label new");
    assert_eq!(twice.refusal(), (2, "policy_invalid"));
    assert_eq!(desk.read("policy.toml"), unchanged);
    let key = signer().key();
    assert_eq!(
        desk.say(&format!("policy add policy.toml --publisher {key}"))
            .exit,
        0
    );
    let checked = desk.say("policy check policy.toml");
    assert_eq!(checked.json["publishers"], serde_json::json!(["publisher"]));
}

#[test]
fn nothing_is_overwritten_and_nothing_unusable_is_written() {
    let desk = Desk::furnished();
    let exists = desk.say("policy new --from image.eif --out policy.toml");
    assert_eq!(exists.refusal(), (2, "exists"));
    for (further, code) in [
        ("--from image.eif --label ''", "policy_invalid"),
        ("--from image.eif --max-age-seconds 0", "policy_invalid"),
        ("--from image.eif --mock", "policy_invalid"),
        ("--from image.eif --allow-debug", "usage"),
        ("--from image.eif --root mock-root.pem", "usage"),
        ("--from policy.toml", "envelope-wrong-type"),
        ("--publisher abcd", "policy_invalid"),
        ("--label nothing", "usage"),
    ] {
        let said = desk.say(&format!("policy new {further} --out new.toml"));
        assert_eq!(said.refusal().1, code, "{further}: {}", said.json);
        assert!(!desk.path("new.toml").exists(), "{further}");
    }
}

/// A label is text of the policy, and stays text.
#[test]
fn a_label_can_not_smuggle_in_another_table() {
    let desk = Desk::furnished();
    let said = desk.say("policy new --from image.eif --label 'a\"\n[[publisher]]\n\\u'");
    assert_eq!(said.exit, 0, "{}", said.json);
    desk.write("made.toml", said.text("/policy"));
    let checked = desk.say("policy check made.toml");
    assert_eq!(checked.json["publishers"], serde_json::json!([]));
    assert_eq!(
        checked.json["images"],
        serde_json::json!(["a\"[[publisher]]\\u"])
    );
}

/// `/dev/full` is a disk that is full; a reader that went away is none.
#[test]
fn a_policy_that_could_not_be_written_is_no_success() {
    let desk = Desk::empty();
    desk.write("image.eif", crate::desk::image());
    let line = "sealsum-attest policy new --from image.eif";
    let full = desk.shell(&format!("{line} > /dev/full"));
    assert_eq!(full.status.code(), Some(2));
    let said = String::from_utf8(full.stderr).unwrap();
    assert!(said.contains("could not be written"), "{said}");
    let gone = desk.shell(&format!("({line}; echo $? >&2) | true"));
    assert_eq!(String::from_utf8(gone.stderr).unwrap().trim(), "0");
}
