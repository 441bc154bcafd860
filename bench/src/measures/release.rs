//! Releasing through the enclave's core, with as many threads as it takes, against two threads that
//! do nothing but keystream: wall time, since sharing the work is the point.
//!
//! All that the core does for a block is in it: its path, unpacking, unmasking, packing, erasure.

use std::time::Duration;

use anyhow::Result;

use super::Measure;
use crate::clock::{Clock, Turns};
use crate::figure::{Figure, Goal, Key};
use crate::probe::keystream_on;
use crate::rounds::{RELEASES, Releasing};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[Key {
        name: "unmask_two_thread_vs_probe",
        unit: "ratio",
        goal: Some(Goal::AtLeast(0.9)),
        what: "wall time of two threads with half of the keystream each / wall time of releasing n = 1000, d = 1e6, 32 bits, through the core's ReleaseBlock",
    }],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let (d, n) = (setup.dimension(), setup.pick(1000, 1000, 10));
    let bytes = d * 4 * u64::from(n);
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    let mut cpu_ms = Vec::new();
    for _ in 0..setup.pick(5, 1, 1) {
        let mut round = Releasing::new(d, n);
        for release in 0..RELEASES {
            let cpu = Clock::Process.now();
            let ours = Clock::Wall.time(&mut || round.release());
            let cpu = Clock::Process.now() - cpu;
            let limit = Clock::Wall.time(&mut || keystream_on(2, bytes));
            // A round's first release warms up.
            if release > 0 {
                times.push((ours, limit));
                cpu_ms.push(cpu.as_secs_f64() * 1e3);
            }
        }
    }
    let turns = Turns::from(times);
    let figure = Figure::of("unmask_two_thread_vs_probe", &turns.limit_to_ours())
        .part("release_wall_ms", &turns.ours_ms())
        .part("release_cpu_ms", &cpu_ms)
        .part("keystream_wall_ms", &turns.limit_ms());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(vec![if cores < 2 {
        Figure::skipped(
            "unmask_two_thread_vs_probe",
            "this machine has one core for two threads",
        )
    } else {
        figure
    }])
}
