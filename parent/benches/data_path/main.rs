//! The parent's data path beside what limits it on any machine, one JSON line a figure:
//! uploads over loopback beside a plain TCP server, the pre-sum beside an addition in memory,
//! kept trees beside those made anew, records beside appends to one file.
//!
//! `cargo bench -p sealsum-parent --bench data_path [-- upload|presum|trees|records [FOLDER]]`; the folder
//! should be on a memory file system (default /dev/shm), so that no disk is measured; `records` is
//! for a disk.
//!
//! CPU time of the server's threads, in turns with the limits, medians.

mod cpu;
#[allow(dead_code)]
#[path = "../../tests/parent/fake_enclave.rs"]
mod fake_enclave;
mod plain_server;
mod presum;
mod records;
mod sender;
mod trees;
mod upload;

use std::path::PathBuf;

fn main() {
    // Cargo's own flags come in between.
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let which = arguments.next().unwrap_or_default();
    let folder = PathBuf::from(arguments.next().unwrap_or("/dev/shm".to_owned()));
    let wanted = |part: &str| which.is_empty() || which == part;
    if wanted("upload") {
        upload::bench(&folder);
    }
    if wanted("presum") {
        presum::bench(&folder);
    }
    if wanted("trees") {
        trees::bench();
    }
    if wanted("records") {
        records::bench(&folder);
    }
}

/// Prints a figure.
fn print(key: &str, value: f64, unit: &str, about: &str) {
    let value = (value * 1e4).round() / 1e4;
    let line = serde_json::json!({ "key": key, "value": value, "unit": unit, "about": about });
    println!("{line}");
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
