//! A publisher's word, from its key to a verdict.

use crate::desk::{DOCUMENT, Desk, POLICY, build_json, real_document, registers, signer};

const VERIFY: &str = "verify document.cbor --archived --policy publishers.toml";

#[test]
fn an_endorsed_image_is_appraised_and_without_the_endorsement_it_is_not() {
    let desk = Desk::furnished();
    assert_eq!(desk.say(VERIFY).refusal(), (1, "not-endorsed"));
    let said = desk.say(&format!("{VERIFY} --endorsement endorsement.json"));
    assert_eq!((said.exit, said.text("/image")), (0, "releases 0.1.0"));
    let found = said.text("/checks/6/found");
    assert!(
        found.contains("endorsed until 2026-01-04T20:41:07Z"),
        "{found}"
    );
}

#[test]
fn each_way_for_an_endorsement_not_to_count_is_a_rejection_of_its_own() {
    let desk = Desk::furnished();
    let judge = |policy: String| {
        desk.write("changed.toml", policy);
        desk.say("verify document.cbor --at 2026-01-03T20:41:10Z --policy changed.toml --endorsement endorsement.json")
    };
    let publishers = desk.read("publishers.toml");
    assert_eq!(judge(publishers.clone()).exit, 0);
    let old = judge(publishers.clone() + "min_version = \"0.1.1\"\n");
    assert_eq!(old.refusal(), (1, "endorsement-too-old"));
    assert_eq!(old.json["rejection"]["check"], 7);
    let pcr0 = &registers(&real_document(DOCUMENT))[0];
    let revoked = judge(format!("{publishers}revoked = [\"{pcr0}\"]\n"));
    assert_eq!(revoked.refusal(), (1, "endorsement-revoked"));
    let stranger = sealsum_attestation::PublisherSigner::from_secret(&[8; 32]).key();
    let other = publishers.replace(&signer().key().to_string(), &stranger.to_string());
    assert_eq!(judge(other).refusal(), (1, "unknown-publisher"));

    let endorsement = desk.read("endorsement.json");
    desk.write(
        "endorsement.json",
        endorsement.replace("\"0.1.0\"", "\"0.9.0\""),
    );
    assert_eq!(
        judge(publishers.clone()).refusal(),
        (1, "endorsement-signature")
    );
    // It ended a day after the document; the document itself is judged then, too.
    desk.write("endorsement.json", &endorsement);
    let expired = sealsum_attestation::Endorsement::sign(
        &signer(),
        sealsum_attestation::MeasuredBuild::parse(&build_json(
            "0.1.0",
            &registers(&real_document(DOCUMENT)),
        ))
        .unwrap(),
        sealsum_protocol::UnixMillis(crate::desk::SIGNED_MS - 1),
    );
    desk.write("endorsement.json", expired.to_json());
    assert_eq!(judge(publishers).refusal(), (1, "endorsement-expired"));
}

#[test]
fn a_publisher_makes_a_key_endorses_an_image_and_is_believed() {
    let desk = Desk::furnished();
    let made = desk.say("publisher new my.key");
    assert_eq!(made.exit, 0);
    let key = made.text("/key").to_owned();
    assert_eq!(desk.say("publisher show my.key").text("/key"), key);
    desk.write(
        "release.json",
        build_json("1.2.3", &registers(&real_document(DOCUMENT))),
    );
    let endorsed = desk.say(
        "endorse --measurements release.json --key my.key --not-after 2099-01-01T00:00:00Z --out release.endorsement.json",
    );
    assert_eq!(endorsed.exit, 0, "{}", endorsed.json);
    assert_eq!(
        desk.say(&format!(
            "policy new --publisher {key} --label mine --min-version 1.2.3 --out mine.toml"
        ))
        .exit,
        0
    );
    let said = desk.say(
        "verify document.cbor --archived --policy mine.toml --endorsement release.endorsement.json",
    );
    assert_eq!((said.exit, said.text("/image")), (0, "mine 1.2.3"));
}

#[test]
fn an_image_that_is_not_the_one_measured_is_not_endorsed() {
    let desk = Desk::furnished();
    let line = "endorse --key publisher.key --not-after 2099-01-01T00:00:00Z --image image.eif --out new.json --measurements";
    let other = build_json("0.1.0", &registers(&real_document(DOCUMENT)));
    desk.write("other.json", other);
    assert_eq!(
        desk.say(&format!("{line} other.json")).refusal(),
        (1, "another_image")
    );
    assert!(!desk.path("new.json").exists());
    assert_eq!(desk.say(&format!("{line} measurements.json")).exit, 0);
    assert_eq!(
        desk.say(&format!("{line} measurements.json")).refusal(),
        (2, "exists")
    );
}

#[test]
fn an_endorsement_needs_an_end_that_is_to_come_and_a_key_that_is_secret() {
    let desk = Desk::furnished();
    let line = "endorse --measurements measurements.json --key publisher.key --out new.json";
    assert_eq!(desk.say(line).refusal(), (2, "usage"));
    let past = desk.say(&format!("{line} --not-after 2020-01-01T00:00:00Z"));
    assert_eq!(past.refusal(), (2, "usage"));
    let line = format!("{line} --not-after 2099-01-01T00:00:00Z");
    desk.allow("publisher.key", 0o640);
    assert_eq!(desk.say(&line).refusal(), (2, "key_readable"));
    desk.allow("publisher.key", 0o600);
    desk.write("publisher.key", "seed");
    assert_eq!(desk.say(&line).refusal(), (2, "key_file"));
    assert!(!desk.path("new.json").exists());
    assert_eq!(
        desk.say("publisher new publisher.key").refusal(),
        (2, "exists")
    );
    desk.write("record.json", POLICY);
    let record = line.replace("measurements.json", "record.json");
    desk.write_key("publisher.key");
    assert_eq!(desk.say(&record).refusal(), (2, "measurements"));
}

#[test]
fn a_new_key_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::empty();
    assert_eq!(desk.say("publisher new my.key").exit, 0);
    let mode = std::fs::metadata(desk.path("my.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (_, shown) = desk.tell("publisher show my.key");
    let secret = desk.read("my.key");
    let seed = secret.trim().rsplit(' ').next().unwrap();
    assert!(!shown.contains(seed), "{shown}");
}
