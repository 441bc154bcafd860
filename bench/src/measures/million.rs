//! A million clients that speak once, in a simulation of one enclave: `enclave/core/examples/million`,
//! which checks receipt and sum itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Measure;
use crate::figure::{Figure, Goal, Key};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "million_clients_x_wing_s",
            unit: "s",
            goal: Some(Goal::AtMost(180.0)),
            what: "wall time of the enclave's share of a round of 1,000,000 clients, d = 1000, X-Wing, presum, on two threads",
        },
        Key {
            name: "million_clients_x25519_s",
            unit: "s",
            goal: Some(Goal::AtMost(180.0)),
            what: "the same with X25519",
        },
    ],
    big: true,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let program = setup.programs.join("examples/million");
    if !program.exists() {
        let reason = "not built: cargo build --release -p sealsum-enclave-core --example million";
        let skipped = |key: &Key| Figure::skipped(key.name, reason);
        return Ok(MEASURE.keys.iter().map(skipped).collect());
    }
    let clients = setup.pick("1000000", "20000", "200");
    Ok(vec![
        simulate(&program, clients, "x-wing", "million_clients_x_wing_s")?,
        simulate(&program, clients, "x25519", "million_clients_x25519_s")?,
    ])
}

fn simulate(program: &Path, clients: &str, kem: &str, key: &'static str) -> Result<Figure> {
    let mut simulation = Command::new(program);
    simulation.args(["--clients", clients, "--kem", kem, "--threads", "2"]);
    let output = simulation
        .output()
        .with_context(|| format!("{simulation:?} did not start"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{simulation:?}: {log}");
    let said: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{simulation:?} wrote no JSON: {log}"))?;
    let number = |name: &str| said[name].as_f64();
    let seconds = number("enclave_s").with_context(|| format!("no enclave_s in {said}"))?;
    let parts = [
        "clients",
        "enclave_cpu_s",
        "clients_s",
        "boundary_bytes_per_client",
        "peak_rss_mib",
    ];
    Ok(parts
        .iter()
        .filter_map(|name| Some((name, number(name)?)))
        .fold(Figure::of(key, &[seconds]), |figure, (name, value)| {
            figure.part(name, &[value])
        }))
}
