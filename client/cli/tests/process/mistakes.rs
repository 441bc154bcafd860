//! Mistakes at the desk, and what is said about them.

use std::time::{SystemTime, UNIX_EPOCH};

use sealsum_softnsm::RootAuthority;

use super::Desk;

const MEASUREMENTS: &str =
    "max_age_seconds = 300\nclock_skew_seconds = 10\n\n[[measurement]]\nlabel = \"x\"\n";

impl Desk {
    /// Appraisal policies: real.toml, and mock.toml with a root of its own.
    fn with_appraisals() -> Self {
        let desk = Self::new();
        let pcrs = ["pcr0", "pcr1", "pcr2"].map(|pcr| format!("{pcr} = \"{}\"\n", "ab".repeat(48)));
        let rest = format!("{MEASUREMENTS}{}", pcrs.concat());
        desk.write("real.toml", format!("root = \"aws-nitro\"\n{rest}"));
        desk.write(
            "mock.toml",
            format!("root = \"mock.pem\"\nmock = true\n{rest}"),
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let root = RootAuthority::generate(now.as_millis().try_into().unwrap()).unwrap();
        desk.write("mock.pem", root.root_pem());
        desk
    }
}

fn policy(file: &str, appraisal: &str, budget: u32) -> String {
    format!(
        "policy new {file} --appraisal-policy {appraisal} --operator-key {} --task wards --min-cohort 3 --admission registry:{} --noise-floor none --kem x-wing --intake stream --rule mean --budget {budget}",
        "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
        "12".repeat(32)
    )
}

#[test]
fn a_policy_is_for_a_mock_in_both_files_or_in_neither() {
    let desk = Desk::with_appraisals();
    let (code, detail) = desk.fails(&policy("a.toml", "mock.toml", 5), 2);
    assert_eq!(code, "mock_disagrees");
    assert!(detail.contains("--mock"), "{detail}");
    let (code, _) = desk.fails(&format!("{} --mock", policy("a.toml", "real.toml", 5)), 2);
    assert_eq!(code, "mock_disagrees");
    assert!(!desk.path("a.toml").exists());
    desk.ok(&policy("a.toml", "real.toml", 5));
    desk.ok(&format!("{} --mock", policy("b.toml", "mock.toml", 5)));
    assert_eq!(desk.ok("policy check b.toml")["trust"], "mock");
}

#[test]
fn a_budget_of_nothing_is_no_budget() {
    let desk = Desk::with_appraisals();
    let (_, detail) = desk.fails(&policy("a.toml", "real.toml", 0), 2);
    assert!(detail.contains("the budget is 0"), "{detail}");
}

#[test]
fn a_file_of_another_kind_is_named() {
    let desk = Desk::with_appraisals();
    desk.ok(&policy("a.toml", "real.toml", 5));
    desk.write("u.npy", b"\x93NUMPY\x01\x00");
    for (receipt, found) in [("u.npy", "a .npy array"), ("a.toml", "a text file")] {
        let line = format!("verify-receipt --receipt {receipt} --evidence u.npy --policy a.toml");
        let (code, detail) = desk.fails(&line, 2);
        assert_eq!(code, "file_type");
        let words = format!("expected a receipt, found {found}");
        assert!(detail.contains(&words), "{detail}");
    }
}

#[test]
fn a_ledger_shows_what_is_left_of_the_policys_budget() {
    let desk = Desk::with_appraisals();
    desk.ok(&policy("a.toml", "real.toml", 5));
    desk.ok("identity new a");
    let shown = desk.ok("ledger show a --policy a.toml");
    assert_eq!(
        (&shown["spent"], &shown["budget_left"]),
        (&0.into(), &5.into())
    );
    assert!(desk.ok("ledger show a")["budget_left"].is_null());
    let (code, _) = desk.fails("ledger show a --policy a.toml --mock", 2);
    assert_eq!(code, "mock_flag_unwanted");
    let text = String::from_utf8(desk.run("ledger show a --policy a.toml").stdout).unwrap();
    assert!(text.contains("budget left  5 contributions"), "{text}");
}

#[test]
fn a_damaged_ledger_is_said_to_be_one() {
    let desk = Desk::new();
    desk.ok("identity new a");
    desk.write("a/ledger.db", "x".repeat(4096));
    let (code, detail) = desk.fails("ledger show a", 2);
    assert!(
        code == "ledger_damaged" && detail.contains("is damaged"),
        "{detail}"
    );
}

#[test]
fn bounds_are_numbers_above_zero_and_wrapping_is_told_in_units() {
    let desk = Desk::new();
    desk.ok("operator new operator.key");
    // A vector of one 64-bit float, as numpy writes it.
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }";
    let header = format!("{header:<117}\n");
    let head = [
        &b"\x93NUMPY\x01\x00\x76\x00"[..],
        header.as_bytes(),
        &[0; 8],
    ]
    .concat();
    desk.write("m.npy", head);
    let open = "round open --parent http://127.0.0.1:9 --operator operator.key --task wards --round-number 1 --base-model m.npy --fractional-bits 16 --min-cohort 3 --max-cohort 100";
    for clip in ["-1", "0", "nan", "inf", "much"] {
        let (code, detail) = desk.fails(&format!("{open} --clip {clip}"), 2);
        assert_eq!(code, "usage");
        assert!(detail.contains("a bound is a number above 0"), "{detail}");
    }
    let (code, detail) = desk.fails(&format!("{open} --clip 1000 --ring-bits 32"), 2);
    assert_eq!(code, "would_wrap");
    // 2^31 - 1 over 100 clients is 21474836 steps of 2^-16.
    assert!(detail.contains("--clip 327.6"), "{detail}");
    // A parent that is not there, at once.
    assert_eq!(
        desk.fails(&format!("{open} --clip 1"), 3).0,
        "parent_unreachable"
    );
}

/// `/dev/full` is a disk that is full.
#[test]
fn a_result_that_could_not_be_written_is_no_success() {
    for line in [
        &["completions", "bash"][..],
        &["completions", "bash", "--json"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sealsum"))
            .args(line)
            .stdout(full.unwrap())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("could not be written"), "{said}");
    }
}
