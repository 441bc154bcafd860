//! The parent's pre-sum against additions in memory: CPU time of the shipped parent as a process, the
//! stored uploads in a memory file system.
//!
//! What one more member costs at close is the difference between a large cohort and a small one: what
//! a round costs whatever its cohort (writing the sum, relaying it to the enclave) cancels out.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use sealsum_protocol::Intake;

use super::Measure;
use crate::clock::{Clock, Turns};
use crate::disk::{MEMORY, memory_has};
use crate::figure::{Figure, Goal, Key};
use crate::probe::add;
use crate::rounds::{OpenRound, Servers, Start, runtime, send_all, terms};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[Key {
        name: "parent_add_vs_probe",
        unit: "ratio",
        goal: Some(Goal::AtLeast(0.8)),
        what: "CPU time of adding as many 32-bit elements between arrays in memory / CPU time of the parent's process at close for 32 members more, 8 MB each: reading, BLAKE3 commitment, adding",
    }],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let dimension = setup.pick(2_000_000, 2_000_000, 1000);
    let (few, many) = setup.pick((8, 40), (8, 40), (3, 5));
    let more = many - few;
    if let Err(reason) = memory_has((few + many + 8) * dimension * 4) {
        return Ok(vec![Figure::skipped("parent_add_vs_probe", &reason)]);
    }
    let mut probe = add(more * dimension * 4);
    let mut times = Vec::new();
    for _ in 0..setup.pick(7, 2, 1) {
        // Afresh, so that what earlier turns stored is gone.
        let servers = Servers::start_as(
            setup,
            &Start {
                within: Path::new(MEMORY),
                enclave_memory: None,
            },
        )?;
        let small = close(&servers, dimension, few)?;
        let large = close(&servers, dimension, many)?;
        probe();
        let limit = Clock::Thread.time(&mut probe);
        // At sizes that are no measurement, chance decides which of the two is larger.
        if large > small {
            times.push((large - small, limit));
        }
    }
    if times.is_empty() {
        let reason = "members this small are lost in noise";
        return Ok(vec![Figure::skipped("parent_add_vs_probe", reason)]);
    }
    let turns = Turns::from(times);
    let per_member = |ms: Vec<f64>| -> Vec<f64> { ms.iter().map(|ms| ms / more as f64).collect() };
    Ok(vec![
        Figure::of("parent_add_vs_probe", &turns.limit_to_ours())
            .part("parent_ms_a_member", &per_member(turns.ours_ms()))
            .part("add_ms_a_member", &per_member(turns.limit_ms())),
    ])
}

/// The CPU time that the parent takes to close a round of so many.
fn close(servers: &Servers, dimension: u64, members: u64) -> Result<Duration> {
    runtime()?.block_on(async {
        let terms = terms(Intake::Presum, dimension, 32);
        let round = OpenRound::open(servers.url(), terms).await?;
        let id = round.binding.round_id();
        let round = send_all(round, members).await?;
        let before = servers.parent.cpu()?;
        round.parent.close(&id).await?;
        Ok(servers.parent.cpu()?.saturating_sub(before))
    })
}
