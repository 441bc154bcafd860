//! The parent's upload path against raw loopback TCP: CPU time of the server alone, a memory file
//! system as its disk. The server is the shipped parent as a process, its enclave behind it; checks,
//! commitment and fsync included.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use sealsum_protocol::{Intake, RoundTerms};
use sealsum_testkit::UncheckedClient;
use tokio::runtime::Runtime;

use super::Measure;
use crate::clock::Turns;
use crate::disk::{MEMORY, memory_has};
use crate::figure::{Figure, Goal, Key};
use crate::probe::tcp;
use crate::rounds::{OpenRound, Servers, Start, runtime, terms};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "upload_vs_tcp",
            unit: "ratio",
            goal: Some(Goal::AtLeast(0.6)),
            what: "CPU time of a thread that reads the same bytes off loopback TCP and forgets them / CPU time of the parent's process for taking uploads of 8 MB: HTTP, header, BLAKE3 commitment, file and fsync in a memory file system, relay to the enclave",
        },
        Key {
            name: "upload_vs_tcp_and_write",
            unit: "ratio",
            goal: None,
            what: "the same, over a thread that also writes them to the same memory file system",
        },
    ],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let dimension = setup.pick(2_000_000, 2_000_000, 1000);
    let (turns, uploads) = (setup.pick(15, 3, 1), setup.pick(8, 8, 1));
    let stored = (turns as u64 + 2) * uploads * dimension * 4;
    if let Err(reason) = memory_has(stored) {
        let skipped = |key: &Key| Figure::skipped(key.name, &reason);
        return Ok(MEASURE.keys.iter().map(skipped).collect());
    }
    let servers = Servers::start_as(
        setup,
        &Start {
            within: Path::new(MEMORY),
            enclave_memory: None,
        },
    )?;
    let runtime = runtime()?;
    let body = dimension as usize * 4;
    let (mut reading, mut writing) = (Vec::new(), Vec::new());
    // The first turn warms up.
    for turn in 0..=turns {
        let ours = take(&runtime, &servers, dimension, uploads)?;
        let read = tcp::receive(uploads as usize, body, None)?;
        let written = tcp::receive(uploads as usize, body, Some(&servers.path("")))?;
        if turn > 0 {
            reading.push((ours, read));
            writing.push((ours, written));
        }
    }
    let (reading, writing) = (Turns::from(reading), Turns::from(writing));
    let per_upload =
        |ms: Vec<f64>| -> Vec<f64> { ms.iter().map(|ms| ms / uploads as f64).collect() };
    Ok(vec![
        Figure::of("upload_vs_tcp", &reading.limit_to_ours())
            .part("parent_ms_an_upload", &per_upload(reading.ours_ms()))
            .part("tcp_ms_an_upload", &per_upload(reading.limit_ms())),
        Figure::of("upload_vs_tcp_and_write", &writing.limit_to_ours()).part(
            "tcp_and_write_ms_an_upload",
            &per_upload(writing.limit_ms()),
        ),
    ])
}

/// The CPU time that the parent takes for some uploads.
fn take(runtime: &Runtime, servers: &Servers, dimension: u64, uploads: u64) -> Result<Duration> {
    let terms: RoundTerms = terms(Intake::Presum, dimension, 32);
    let values = vec![0.25; dimension as usize];
    runtime.block_on(async {
        let round = OpenRound::open(servers.url(), terms).await?;
        let sealed: Vec<_> = (0..uploads)
            .map(|n| UncheckedClient::new(n).contribute(&round.binding, &values))
            .collect();
        let before = servers.parent.cpu()?;
        for contribution in sealed {
            round.send(contribution).await?;
        }
        Ok(servers.parent.cpu()?.saturating_sub(before))
    })
}
