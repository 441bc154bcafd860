//! `sealsum-sim`: what `cargo xtask soak` runs.

use std::process::ExitCode;

use clap::Parser;
use sealsum_sim::{Sabotage, soak};

/// Random rounds under attack against a reference model.
#[derive(Parser)]
struct Arguments {
    /// Operations in all.
    #[arg(long, default_value_t = 100_000)]
    ops: u64,
    /// Names every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One line of JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Arguments { ops, seed, json } = Arguments::parse();
    let (figures, failures) = soak(seed, ops, Sabotage::None);
    for failure in &failures {
        eprintln!(
            "violation in episode {} (soak seed {seed}): {}\nplay({}, &{:?})",
            failure.seed, failure.violation.what, failure.seed, failure.ops
        );
    }
    let violations = failures.len();
    if json {
        println!(
            r#"{{"ops":{},"seed":{seed},"rounds":{},"released":{},"violations":{violations}}}"#,
            figures.ops, figures.rounds, figures.released
        );
    } else {
        println!(
            "{} operations, {} rounds, {} released, {violations} violations (seed {seed})",
            figures.ops, figures.rounds, figures.released
        );
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
