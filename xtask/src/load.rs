//! `cargo xtask load`: thousands of simulated clients against a real parent and a mock enclave, in
//! release; a report as JSON, and a chart. The generator is `sim/src/load`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::demo::programs::Programs;
use crate::workspace;

/// What is passed on to `sealsum-load`, which says more with `-- --help`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Options {
    /// How long clients are at work, without the time in which they are sealed.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Clients at a time.
    #[arg(long, default_value_t = 1000)]
    clients: u64,
    /// Clients of each round.
    #[arg(long, default_value_t = 10_000)]
    per_round: u64,
    /// Elements of their updates.
    #[arg(long, default_value_t = 1000)]
    dimension: u64,
    /// Percent of clients that misbehave: slow=5,duplicate=5,churn=5,garbage=10
    #[arg(long, default_value = "")]
    mix: String,
    /// Elements of the large updates that are compared with a plain loop; 0 leaves them out.
    #[arg(long, default_value_t = 1_000_000)]
    large_dimension: u64,
    /// Large uploads in each of five turns.
    #[arg(long, default_value_t = 12)]
    large_uploads: u64,
    /// Where the parent's data goes, for instance /dev/shm/load.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Draw throughput, latency and memory over time.
    #[arg(long, value_name = "FILE.svg")]
    chart: Option<PathBuf>,
    /// Print one object on one line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let programs = Programs::build()?;
    let mut load = workspace::cargo();
    load.args(["run", "--release", "--locked", "--quiet"]);
    load.args(["-p", "sealsum-sim", "--bin", "sealsum-load", "--"]);
    load.arg("--programs").arg(programs.path(""));
    for (flag, value) in [
        ("--seconds", options.seconds),
        ("--clients", options.clients),
        ("--per-round", options.per_round),
        ("--dimension", options.dimension),
        ("--large-dimension", options.large_dimension),
        ("--large-uploads", options.large_uploads),
    ] {
        load.arg(flag).arg(value.to_string());
    }
    load.arg("--mix").arg(&options.mix);
    for (flag, path) in [("--data", &options.data), ("--chart", &options.chart)] {
        if let Some(path) = path {
            load.arg(flag).arg(std::path::absolute(path)?);
        }
    }
    if options.json {
        load.arg("--json");
    }
    let status = load.status().context("cargo did not start")?;
    Ok(status.success())
}

const EXAMPLE: &str = "Example:\n  cargo xtask load --seconds 60 --clients 2000 --mix slow=5,duplicate=5,churn=5,garbage=10 --chart load.svg --json";
