//! Every real document, judged with the right policy at both edges of its window.

use serde_json::Value;

use crate::desk::{
    DOCUMENT, Desk, POLICY, SIGNED_MS, measurement, real_document, registers, testdata,
};

fn index() -> serde_json::Map<String, Value> {
    let index = std::fs::read(testdata().join("index.json")).unwrap();
    serde_json::from_slice(&index).unwrap()
}

fn seconds(time: &str) -> i64 {
    let time = time.replace("+00:00", "Z");
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(&time, format)
        .unwrap()
        .unix_timestamp()
}

#[test]
fn every_real_document_is_appraised_at_both_edges_of_its_window_and_not_a_second_outside() {
    let desk = Desk::empty();
    let mut seen = 0;
    for (name, facts) in index() {
        let broken = name.contains("badsig") || name.contains("malformed");
        if broken || facts["debug"] == true {
            continue;
        }
        let document = real_document(&name);
        desk.write("document.cbor", &document);
        let [first, last] = ["window_nb", "window_na"].map(|edge| facts[edge].as_str().unwrap());
        let [first, last] = [first, last].map(seconds);
        let signed_ms = facts["ts_ms"].as_i64().unwrap();
        // The policy stretches just over the window, so that the chain alone decides at its edges.
        let skew = (signed_ms - first * 1000 + 999) / 1000;
        let age = (last * 1000 - signed_ms) / 1000 + 2;
        let policy = POLICY
            .replace("age_seconds = 300", &format!("age_seconds = {age}"))
            .replace("skew_seconds = 10", &format!("skew_seconds = {skew}"));
        desk.write(
            "policy.toml",
            policy + &measurement(&name, &registers(&document)),
        );
        let judge = |at: i64| {
            desk.say(&format!(
                "verify document.cbor --policy policy.toml --at {at}"
            ))
        };
        for at in [first * 1000, signed_ms, last * 1000] {
            let said = judge(at);
            assert_eq!(said.exit, 0, "{name}: {}", said.json);
            assert_eq!(said.text("/verdict"), "appraised");
            assert_eq!(said.text("/trust"), "aws-nitro");
            assert_eq!(said.text("/image"), name);
        }
        let early = judge(first * 1000 - 1000);
        assert_eq!(early.refusal(), (1, "certificate-not-yet-valid"), "{name}");
        let late = judge(last * 1000 + 1000);
        assert_eq!(late.refusal(), (1, "certificate-expired"), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 9);
}

#[test]
fn every_real_debug_document_is_refused_by_default_and_inspected_as_one() {
    let desk = Desk::furnished();
    let mut seen = 0;
    for (name, facts) in index() {
        if facts["debug"] != true || name.contains("badsig") {
            continue;
        }
        desk.write("debug.cbor", real_document(&name));
        let said = desk.say("verify debug.cbor --policy policy.toml --archived");
        assert_eq!(said.refusal(), (1, "debug-mode"), "{name}");
        let (exit, text) = desk.tell("inspect debug.cbor");
        assert_eq!(exit, 0, "{text}");
        assert!(
            text.contains("DEBUG: the host can read this enclave"),
            "{text}"
        );
        let new = desk.say("policy new --from debug.cbor");
        assert_eq!(new.refusal(), (1, "debug-mode"));
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn a_debug_document_under_a_policy_that_asks_for_it_is_called_a_mock() {
    let desk = Desk::empty();
    desk.write(
        "debug.cbor",
        real_document("worldchain-20260803-debug-13a44c"),
    );
    let registers = ["11", "22", "33"].map(|byte| byte.repeat(48));
    let policy = POLICY.to_owned()
        + "mock = true\nallow_debug = true\n"
        + &measurement("hidden", &registers);
    desk.write("policy.toml", policy);
    let said = desk.say("verify debug.cbor --policy policy.toml --archived --mock");
    assert_eq!((said.exit, said.text("/trust")), (0, "mock"));
    let (_, text) = desk.tell("verify debug.cbor --policy policy.toml --archived --mock");
    assert!(text.contains("NOTHING IS PROTECTED"), "{text}");
}

#[test]
fn broken_documents_are_refused_for_what_is_broken() {
    let desk = Desk::furnished();
    for (name, expected) in [
        ("eternis-20240723-badsig-debug-5f42eb", "document-signature"),
        (
            "veracruz-go-20221109-badsig-prod-7df2cd",
            "document-signature",
        ),
        ("blocky-na-malformed-e38802", "envelope-unprotected"),
    ] {
        desk.write("broken.cbor", real_document(name));
        let said = desk.say("verify broken.cbor --policy policy.toml --archived");
        assert_eq!(said.refusal(), (1, expected), "{name}");
    }
}

#[test]
fn the_tick_list_has_a_line_for_each_point_with_what_was_found() {
    let desk = Desk::furnished();
    let (exit, text) =
        desk.tell("verify document.cbor --policy policy.toml --at 2026-01-03T20:41:10Z");
    assert_eq!(exit, 0, "{text}");
    let lines: Vec<_> = text.lines().collect();
    let expected = [
        "✓ 1 envelope   COSE_Sign1 with ES384",
        "✓ 2 payload    strict CBOR",
        "✓ 3 fields     enclave \"i-0368fa67e156d6d23-enc019b8596b1a9dad6\", 16 registers, signed 2026-01-03T20:41:07Z",
        "✓ 4 chain      5 certificates up to AWS's root 641a0321a3e244ef, all valid at 2026-01-03T20:41:10Z",
        "✓ 5 signature  signed by the leaf certificate",
        "✓ 6 debug      PCR0, 1 and 2 are not zero",
        "✓ 7 image      \"base-nitro-validator-20260103-prod-9e038c\", pinned: PCR0, PCR1, PCR2 are as expected",
        "~ 8 freshness  signed 2 s before; no nonce was asked for, so it may be a replay",
        "- 9 binding    user_data was not asked for; it has 20 bytes",
        "APPRAISED  \"base-nitro-validator-20260103-prod-9e038c\", signed 2026-01-03T20:41:07.402Z",
        "           as of 2026-01-03T20:41:10Z, a time that was given: nothing may be sealed for it",
        "trust      aws-nitro",
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
}

#[test]
fn a_script_gets_verdict_points_and_document() {
    let desk = Desk::furnished();
    let said = desk.say(&format!(
        "verify document.cbor --policy policy.toml --at {SIGNED_MS}"
    ));
    let checks = said.json["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 9);
    for (number, check) in (1..).zip(checks) {
        assert_eq!(check["number"], number);
        assert!(!check["found"].as_str().unwrap().is_empty());
    }
    assert_eq!(said.json["checks"][6]["outcome"], "passed");
    assert_eq!(said.json["checks"][8]["outcome"], "not-asked");
    assert_eq!(said.json["archived"], false);
    assert_eq!(said.json["document"]["timestamp_ms"], SIGNED_MS);
    assert_eq!(said.json["document"]["debug"], false);
    assert_eq!(said.json["document"]["pcr4_agrees"], true);
    assert_eq!(said.json["document"]["nonce"], Value::Null);
    let pcr0 = &registers(&real_document(DOCUMENT))[0];
    assert_eq!(said.text("/document/pcrs/PCR0"), pcr0);
}

#[test]
fn a_document_may_come_in_any_spelling() {
    let desk = Desk::furnished();
    let hex = crate::desk::hex_of(real_document(DOCUMENT));
    desk.write("document.hex", &hex);
    desk.write("document.HEX", hex.to_uppercase());
    let verify = "--policy policy.toml --archived";
    for line in [
        format!("sealsum-attest verify document.hex {verify}"),
        format!("sealsum-attest verify document.HEX {verify}"),
        format!("sealsum-attest verify - {verify} < document.cbor"),
        format!("base64 -w0 document.cbor | sealsum-attest verify - {verify}"),
        format!(
            "base64 document.cbor | tr '+/' '-_' | tr -d '=' | sealsum-attest verify - {verify}"
        ),
    ] {
        let output = desk.shell(&line);
        assert!(output.status.success(), "{line}: {output:?}");
    }
}

#[test]
fn archived_evidence_is_called_so_and_seals_nothing() {
    let desk = Desk::furnished();
    let said = desk.say("verify document.cbor --policy policy.toml --archived");
    assert_eq!((said.exit, &said.json["archived"]), (0, &Value::Bool(true)));
    assert_eq!(said.json["checks"][7]["outcome"], "not-asked");
    let (_, text) = desk.tell("verify document.cbor --policy policy.toml --archived");
    assert!(
        text.contains("archived evidence, nothing may be sealed for it"),
        "{text}"
    );
}

/// 2026-01-03 is past, so without --at or --archived the real document is refused: by this
/// machine's clock.
#[test]
fn without_a_time_the_document_is_judged_now() {
    let desk = Desk::furnished();
    let said = desk.say("verify document.cbor --policy policy.toml");
    assert_eq!(said.refusal(), (1, "certificate-expired"));
}

#[test]
fn inspecting_shows_everything_and_says_that_nothing_was_verified() {
    let desk = Desk::furnished();
    let (exit, text) = desk.tell("inspect document.cbor");
    assert_eq!(exit, 0);
    assert!(text.starts_with("UNVERIFIED: "), "{text}");
    for part in [
        "\"i-0368fa67e156d6d23\", and PCR4 agrees",
        "signed       2026-01-03T20:41:07.402Z",
        "mode         production",
        "nonce        null",
        "(20 bytes)",
        "PCR0   4b8d4cf2a99e05ce",
        "the image: kernel, command line, every ramdisk",
        "\"aws.nitro-enclaves\"",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let said = desk.say("inspect document.cbor");
    assert_eq!(said.json["verified"], false);
    assert_eq!(said.json["chain"].as_array().unwrap().len(), 5);
    let root = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";
    assert_eq!(said.text("/chain/0/sha256"), root);
}
