//! Many episodes, and the shortest list of operations that still fails.

use crate::op::{Op, draw};
use crate::sabotage::Sabotage;
use crate::world::{Figures, ParentAs, Violation, play};

/// An episode that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Names the episode's operations and keys.
    pub seed: u64,
    /// What broke, at the end of `ops`.
    pub violation: Violation,
    /// The operations that are needed for it.
    pub ops: Vec<Op>,
}

/// Plays `ops` operations in episodes derived from `seed`.
#[must_use]
pub fn soak(seed: u64, ops: u64, parent: ParentAs, sabotage: Sabotage) -> (Figures, Vec<Failure>) {
    let (mut figures, mut failures) = (Figures::default(), Vec::new());
    let mut episode = 0;
    while figures.ops < ops {
        let length = EPISODE.min(ops - figures.ops);
        let name = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(episode);
        let drawn = draw(name, usize::try_from(length).unwrap_or(0));
        figures.ops += length;
        match play(name, &drawn, parent, sabotage) {
            Ok(played) => {
                figures.rounds += played.rounds;
                figures.released += played.released;
                figures.deaths += played.deaths;
                figures.crashes += played.crashes;
            }
            Err(_) => failures.extend(shrink(name, drawn, parent, sabotage)),
        }
        episode += 1;
    }
    (figures, failures)
}

/// Cuts what comes after the failure, then deletes ever smaller runs of operations as long as
/// something still fails.
#[must_use]
pub fn shrink(
    seed: u64,
    mut ops: Vec<Op>,
    parent: ParentAs,
    sabotage: Sabotage,
) -> Option<Failure> {
    let mut violation = play(seed, &ops, parent, sabotage).err()?;
    ops.truncate(violation.at + 1);
    let mut run = ops.len() / 2;
    while run > 0 {
        let mut start = 0;
        while start < ops.len() {
            let mut fewer = ops.clone();
            fewer.drain(start..(start + run).min(ops.len()));
            match play(seed, &fewer, parent, sabotage) {
                Err(smaller) => {
                    fewer.truncate(smaller.at + 1);
                    (ops, violation) = (fewer, smaller);
                }
                Ok(_) => start += run,
            }
        }
        run /= 2;
    }
    Some(Failure {
        seed,
        violation,
        ops,
    })
}

/// Operations before everything starts afresh: long enough for time-outs, restarts and repeated
/// numbers, short enough to shrink.
const EPISODE: u64 = 600;
