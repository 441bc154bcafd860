//! `sealsum-bench`: measures, shows its progress on standard error, prints a table or JSON, and writes
//! the results. `cargo xtask bench` builds what it needs and calls it.
//!
//! Exit codes: 0 measured, 1 something failed or, with --check, missed its goal, 2 a flag can't be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use sealsum_bench::figure::Figure;
use sealsum_bench::load::{Load, be_busy};
use sealsum_bench::machine::{Machine, commit, date, load_average};
use sealsum_bench::results::{Results, by_key, failed, missed, table};
use sealsum_bench::setup::{Scale, Setup};
use sealsum_bench::{measures, plain};

/// Measures what the fast path costs beside what limits it on this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Print the results as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Write the results to FILE.
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
    /// Elements of the big model.
    #[arg(
        long,
        value_name = "D",
        default_value_t = 100_000_000,
        requires = "big"
    )]
    dimension: u64,
    /// A folder on a disk, for what rounds store [default: beside this program].
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Keep so many processes busy meanwhile: ratios hold on a busy machine, absolute figures don't.
    #[arg(long, value_name = "N", default_value_t = 0)]
    load: usize,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve plain FedAvg: what a secure round is compared with.
    #[command(hide = true)]
    PlainServer(plain::Options),
    /// Keep a core busy.
    #[command(hide = true)]
    Busy,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Some(Command::PlainServer(options)) => plain::serve(options).map(|()| true),
        Some(Command::Busy) => be_busy().map(|()| true),
        None => run(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let program = std::env::current_exe().context("this program's own path")?;
    let programs = program.parent().unwrap_or(Path::new(".")).to_owned();
    let scratch = arguments
        .scratch
        .clone()
        .unwrap_or_else(|| programs.clone());
    let scale = if arguments.quick {
        Scale::Quick
    } else {
        Scale::Full
    };
    let setup = Setup {
        scale,
        programs,
        scratch,
        big: arguments.big,
        big_dimension: arguments.dimension,
    };
    let _load = Load::start(arguments.load)?;
    let (date, commit, load_before) = (date(), commit(), load_average());
    let begun = Instant::now();
    let figures = measures::run(&setup, &arguments.only, |keys| {
        eprintln!("{:>6.1} s  {keys}", begun.elapsed().as_secs_f64());
    })?;
    let results = Results {
        machine: Machine::here(&setup.scratch),
        commit,
        date,
        scale: scale.name(),
        busy_processes: arguments.load,
        load_before,
        load_after: load_average(),
        figures: by_key(&figures),
    };
    let json = serde_json::to_string_pretty(&results)?;
    if let Some(path) = &arguments.out {
        fs::write(path, format!("{json}\n"))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if arguments.json {
        println!("{json}");
    } else {
        print!("{}", table(&figures));
    }
    Ok(verdict(arguments, &figures))
}

fn verdict(arguments: &Arguments, figures: &[Figure]) -> bool {
    let missed = missed(figures);
    if arguments.check && !missed.is_empty() {
        eprintln!("missed: {}", missed.join(", "));
        return false;
    }
    !failed(figures)
}
