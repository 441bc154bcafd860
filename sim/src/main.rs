//! `sealsum-sim`: what `cargo xtask soak` runs.

use std::process::ExitCode;

use clap::Parser;
use sealsum_sim::{Figures, ParentAs, Sabotage, soak};

/// Random rounds under attack against a reference model.
#[derive(Parser)]
struct Arguments {
    /// Operations in all.
    #[arg(long, default_value_t = 100_000)]
    ops: u64,
    /// Names every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What takes part besides cores and clients: `parent` has the parent as it is shipped, and is
    /// slower.
    #[arg(long, value_parser = ["parent"])]
    with: Option<String>,
    /// One line of JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Arguments {
        ops,
        seed,
        with,
        json,
    } = Arguments::parse();
    let parent = match with {
        Some(_) => ParentAs::Shipped,
        None => ParentAs::Scripted,
    };
    let (figures, failures) = soak(seed, ops, parent, Sabotage::None);
    for failure in &failures {
        eprintln!(
            "violation in episode {} (soak seed {seed}): {}\nplay({}, &{:?}, ParentAs::{parent:?}, Sabotage::None)",
            failure.seed, failure.violation.what, failure.seed, failure.ops
        );
    }
    let violations = failures.len();
    let Figures {
        ops,
        rounds,
        released,
        deaths,
        crashes,
    } = figures;
    if json {
        println!(
            r#"{{"ops":{ops},"seed":{seed},"rounds":{rounds},"released":{released},"deaths":{deaths},"crashes":{crashes},"violations":{violations}}}"#
        );
    } else {
        println!(
            "{ops} operations, {rounds} rounds, {released} released, {deaths} clients died, {crashes} requests cut by a crash, {violations} violations (seed {seed})"
        );
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
