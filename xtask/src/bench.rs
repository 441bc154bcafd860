//! `cargo xtask bench`: what the fast path costs beside what limits it, from `bench/`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::demo::programs::Programs;
use crate::workspace;

/// What to measure, and where to write it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the results as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Where to write the results; by default bench/results.json, if everything is measured.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Measure only what gives KEY; may be given again.
    #[arg(long, value_name = "KEY")]
    only: Vec<String>,
    /// Fewer turns and smaller rounds.
    #[arg(long)]
    quick: bool,
    /// Fail if a goal is missed, and say which.
    #[arg(long)]
    check: bool,
    /// Measure what takes minutes and gigabytes, too.
    #[arg(long)]
    big: bool,
    /// Elements of the big model, 100,000,000 by default.
    #[arg(long, value_name = "D", requires = "big")]
    dimension: Option<u64>,
    /// A folder on a disk, for what rounds store; by default the one of the built programs.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Keep so many processes busy meanwhile: ratios hold on a busy machine, absolute figures don't.
    #[arg(long, value_name = "N")]
    load: Option<usize>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    // As they are shipped: built with the bench, they would share its dependencies' features.
    Programs::build()?;
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--locked", "-p", "sealsum-bench"]);
    let status = build.status().context("cargo build did not start")?;
    ensure!(status.success(), "the bench does not build");

    if options.big {
        let mut build = workspace::cargo();
        build.args(["build", "--release", "--locked"]);
        build.args(["-p", "sealsum-enclave-core", "--example", "million"]);
        let status = build.status().context("cargo build did not start")?;
        ensure!(
            status.success(),
            "the simulation of a million clients does not build"
        );
    }

    let program = workspace::target_dir()?.join("release/sealsum-bench");
    let mut bench = std::process::Command::new(&program);
    let switches = [
        ("--json", options.json),
        ("--quick", options.quick),
        ("--check", options.check),
        ("--big", options.big),
    ];
    bench.args(switches.iter().filter(|(_, on)| *on).map(|(name, _)| name));
    for key in &options.only {
        bench.args(["--only", key]);
    }
    if let Some(dimension) = options.dimension {
        bench.args(["--dimension", &dimension.to_string()]);
    }
    if let Some(load) = options.load {
        bench.args(["--load", &load.to_string()]);
    }
    if let Some(out) = options.out() {
        bench.arg("--out").arg(out);
    }
    if let Some(scratch) = &options.scratch {
        bench.arg("--scratch").arg(scratch);
    }
    let status = bench
        .status()
        .with_context(|| format!("{} did not start", program.display()))?;
    Ok(status.success())
}

impl Options {
    /// A part of the figures, hasty ones or those of a busy machine don't overwrite unasked.
    fn out(&self) -> Option<PathBuf> {
        let whole = self.only.is_empty() && !self.quick && self.load.is_none();
        let usual = || whole.then(|| workspace::root().join("bench/results.json"));
        self.out.clone().or_else(usual)
    }
}
