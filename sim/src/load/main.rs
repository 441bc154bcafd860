//! `sealsum-load`: thousands of simulated clients against a real parent and a mock enclave, over
//! loopback HTTP; what `cargo xtask load` runs.
//!
//! Clients are sealed before the clock runs, since their own cryptography would be the limit on one
//! machine; joins and uploads are real. Everybody who was acknowledged is looked for in the sum.

mod chart;
mod http;
mod large;
mod people;
mod plain;
mod round;
mod servers;
mod steady;
mod timeline;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::Value;

use large::Large;
use people::Mix;
use servers::Servers;
use steady::Steady;

/// Load on a parent.
#[derive(Parser)]
struct Arguments {
    /// The folder of the programs under load.
    #[arg(long, value_name = "DIR")]
    programs: PathBuf,
    /// How long clients are at work, without the time in which they are sealed.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Clients at a time.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Clients of each round.
    #[arg(long, default_value_t = 10_000)]
    per_round: u64,
    /// Elements of their updates.
    #[arg(long, default_value_t = 1000)]
    dimension: u64,
    /// Percent of them that are slow, send twice, break off and come back, or send garbage:
    /// slow=5,duplicate=5,churn=5,garbage=10
    #[arg(long, default_value = "")]
    mix: Mix,
    /// The longest that a client waits between offer and upload, in milliseconds.
    #[arg(long, default_value_t = 20)]
    latency_ms: u64,
    /// Elements of large updates; 0 leaves them out.
    #[arg(long, default_value_t = 1_000_000)]
    large_dimension: u64,
    /// Large uploads in each of five turns, beside as many to a plain loop.
    #[arg(long, default_value_t = 12)]
    large_uploads: u64,
    /// Where the parent's data goes; a folder of its own in the system's temporary one.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A chart of throughput, latency and memory over time.
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
    /// One object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(&arguments)),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(report) => {
            let lost = report["honest_lost"].as_u64() != Some(0);
            let taken = report["garbage_taken"].as_u64() != Some(0);
            if arguments.json {
                println!("{report}");
            } else {
                println!("{report:#}");
            }
            ExitCode::from(u8::from(lost || taken))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Value, String> {
    let temporary;
    let folder: &Path = match &arguments.data {
        Some(folder) => folder,
        None => {
            temporary = tempfile::tempdir().map_err(round::text)?;
            temporary.path()
        }
    };
    std::fs::create_dir_all(folder).map_err(round::text)?;
    let servers = Servers::start(&arguments.programs, folder)?;
    let steady = Steady {
        for_as_long: Duration::from_secs(arguments.seconds),
        at_once: arguments.clients,
        per_round: arguments.per_round,
        dimension: arguments.dimension,
        mix: arguments.mix,
        latency: Duration::from_millis(arguments.latency_ms),
    };
    let (mut report, seconds, rounds) = steady::measure(&servers, &steady).await?;
    if let Some(file) = &arguments.chart {
        std::fs::write(file, chart::draw(&seconds, &report)).map_err(round::text)?;
    }
    if arguments.large_dimension > 0 {
        let large = Large {
            dimension: arguments.large_dimension,
            uploads: arguments.large_uploads,
            at_once: 4,
            turns: 5,
        };
        let found = large::measure(&servers, folder, large, rounds + 1).await?;
        let lost = report["honest_lost"].as_u64().unwrap_or(0);
        report["honest_lost"] = (lost + found["honest_lost"].as_u64().unwrap_or(0)).into();
        report["large"] = found;
    }
    Ok(report)
}
