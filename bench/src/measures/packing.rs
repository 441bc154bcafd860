//! Packing and unpacking at several widths, against copies. The slowest width is the figure.

use anyhow::Result;

use super::Measure;
use crate::clock::{Clock, Turns};
use crate::figure::{Figure, Goal, Key, Spread};
use crate::parts::{Part, WIDTHS, packing, unpacking};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "pack_vs_memcpy",
            unit: "ratio",
            goal: Some(Goal::AtLeast(0.5)),
            what: "CPU time of copying a vector's lanes from memory to memory / CPU time of packing them, d = 1e6: the slowest of 8, 12, 16, 19, 24, 31, 32 and 64 bits",
        },
        Key {
            name: "unpack_vs_memcpy",
            unit: "ratio",
            goal: Some(Goal::AtLeast(0.5)),
            what: "the same for unpacking",
        },
    ],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    Ok(vec![
        slowest(setup, "pack_vs_memcpy", packing),
        slowest(setup, "unpack_vs_memcpy", unpacking),
    ])
}

fn slowest(setup: &Setup, key: &'static str, part: fn(u64, u8) -> Part) -> Figure {
    let widths: Vec<_> = WIDTHS
        .iter()
        .map(|bits| {
            let mut part = part(setup.dimension(), *bits);
            let turns = Turns::of(
                Clock::Thread,
                setup.turns(),
                &mut part.ours,
                &mut part.limit,
            );
            (bits, turns.limit_to_ours())
        })
        .collect();
    let median = |ratios: &[f64]| Spread::of(ratios).median;
    let slowest = widths
        .iter()
        .map(|(_, ratios)| ratios)
        .min_by(|a, b| median(a).total_cmp(&median(b)));
    let figure = Figure::of(key, slowest.map_or(&[], Vec::as_slice));
    widths.iter().fold(figure, |figure, (bits, ratios)| {
        figure.part(&format!("{bits}_bits_ratio"), ratios)
    })
}
