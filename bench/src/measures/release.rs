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
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        let reason = "this machine has one core for two threads";
        return Ok(vec![Figure::skipped("unmask_two_thread_vs_probe", reason)]);
    }
    let (d, n) = (setup.dimension(), setup.pick(1000, 1000, 10));
    let bytes = d * 4 * u64::from(n);
    let (mut ours, mut probe) = (Watched::default(), Watched::default());
    for _ in 0..setup.pick(5, 1, 1) {
        let mut round = Releasing::new(d, n);
        // A round's first release warms up.
        round.release();
        for _ in 1..RELEASES {
            ours.watch(&mut || round.release());
            probe.watch(&mut || keystream_on(2, bytes));
        }
    }
    let turns = Turns::from(
        ours.wall
            .iter()
            .copied()
            .zip(probe.wall.iter().copied())
            .collect::<Vec<_>>(),
    );
    Ok(vec![
        Figure::of("unmask_two_thread_vs_probe", &turns.limit_to_ours())
            .part("release_wall_ms", &turns.ours_ms())
            .part("release_cpus_at_once", &ours.at_once())
            .part("keystream_wall_ms", &turns.limit_ms())
            .part("keystream_cpus_at_once", &probe.at_once())
            .note("only as good as keystream_cpus_at_once is near 2: on a busy machine two threads don't get two cores"),
    ])
}

/// The wall and CPU times of something that several threads do.
#[derive(Default)]
struct Watched {
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Watched {
    fn watch(&mut self, work: &mut dyn FnMut()) {
        let cpu = Clock::Process.now();
        self.wall.push(Clock::Wall.time(work));
        self.cpu.push(Clock::Process.now() - cpu);
    }

    /// How many cores it had, turn by turn.
    fn at_once(&self) -> Vec<f64> {
        let both = self.cpu.iter().zip(&self.wall);
        both.map(|(cpu, wall)| cpu.as_secs_f64() / wall.as_secs_f64())
            .collect()
    }
}
