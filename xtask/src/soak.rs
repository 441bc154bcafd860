//! `cargo xtask soak`: the simulation for as long as one likes. Fails on a violation, whose
//! shortest list of operations is then on stderr, ready to become a test in `sim/tests`.

use anyhow::{Context as _, Result};

use crate::workspace;

/// How long, and from which seed.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Operations in all.
    #[arg(long, default_value_t = 100_000)]
    ops: u64,
    /// Names every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// `parent` has the parent as it is shipped in the middle, and is slower.
    #[arg(long, value_parser = ["parent"])]
    with: Option<String>,
    /// Print one object with "ops", "seed", "rounds", "released", "violations" and more.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut simulation = workspace::cargo();
    simulation.args(["run", "--locked", "--quiet", "-p", "sealsum-sim", "--"]);
    simulation.args(["--ops", &options.ops.to_string()]);
    simulation.args(["--seed", &options.seed.to_string()]);
    if let Some(with) = &options.with {
        simulation.args(["--with", with]);
    }
    if options.json {
        simulation.arg("--json");
    }
    let status = simulation.status().context("cargo did not start")?;
    Ok(status.success())
}
