//! The bench itself, at sizes that take a moment: every measurement runs, every key that is promised
//! is in the results, and both sides of the comparison come to the same mean. No figure is judged.

use std::path::PathBuf;

use sealsum_bench::measures::{self, keys};
use sealsum_bench::results::{by_key, failed};
use sealsum_bench::setup::{Scale, Setup};
use serde_json::Value;

/// The keys that others read, by name.
const PROMISED: [&str; 10] = [
    "unmask_vs_keystream",
    "unmask_ms_n1000_d1e6",
    "unmask_two_thread_vs_probe",
    "client_vs_limit",
    "parent_add_vs_probe",
    "upload_vs_tcp",
    "boundary_bytes_per_client_presum",
    "upload_bytes_per_element",
    "round_vs_plain",
    "rss_growth_n10_n1000_mb",
];

fn setup(scratch: &std::path::Path) -> Setup {
    let program = |name| sealsum_e2e::program(name);
    let programs = program("sealsum-parent");
    Setup {
        scale: Scale::Tiny,
        programs: programs.parent().unwrap().to_owned(),
        scratch: scratch.to_owned(),
        big: true,
        big_dimension: 20_000,
    }
}

#[test]
fn everything_promised_is_measured() {
    let scratch = tempfile::tempdir().unwrap();
    let figures = measures::run(&setup(scratch.path()), &[], |_| {}).unwrap();
    let results = by_key(&figures);
    for (key, entry) in &results {
        let fine = entry["value"]
            .as_f64()
            .is_some_and(|value| value.is_finite());
        assert!(fine || may_be_skipped(key, entry), "{key}: {entry}");
    }
    assert!(!failed(&figures));
    for key in PROMISED {
        assert!(results.contains_key(key), "{key}");
    }
    assert_eq!(results.len(), keys().count());
    // A round's folder goes with its servers.
    assert_eq!(scratch.path().read_dir().unwrap().count(), 0);
}

#[test]
fn what_was_not_asked_for_is_skipped_and_says_so() {
    let setup = Setup {
        scale: Scale::Tiny,
        programs: PathBuf::new(),
        scratch: PathBuf::new(),
        big: false,
        big_dimension: 0,
    };
    let only = ["upload_overhead_bytes".to_owned()];
    let figures = measures::run(&setup, &only, |_| {}).unwrap();
    let results = by_key(&figures);
    assert!(results["upload_overhead_bytes"]["value"].is_number());
    assert!(results["upload_bytes_per_element"]["value"].is_number());
    assert!(results["client_vs_limit"]["skipped"].is_string());
    let unknown = measures::run(&setup, &["upload".to_owned()], |_| {});
    let message = unknown.unwrap_err().to_string();
    assert!(message.contains("upload_vs_tcp"), "{message}");
}

/// The machine may lack what a figure is stated for, and other programs may not have been built.
fn may_be_skipped(key: &str, entry: &Value) -> bool {
    let reason = entry["skipped"].as_str().unwrap_or_default();
    match key {
        "unmask_ms_n1000_d1e6" => reason.contains("VAES"),
        "unmask_two_thread_vs_probe" => reason.contains("one core"),
        "upload_vs_tcp" | "upload_vs_tcp_and_write" => reason.contains("memory file system"),
        "parent_add_vs_probe" => reason.contains("memory file system") || reason.contains("noise"),
        "million_clients_x_wing_s" | "million_clients_x25519_s" => reason.contains("not built"),
        _ => false,
    }
}
