//! The enclave's hot loop on one thread: masks off the summed vector, against a bare keystream, and
//! how it grows with cohort and model.

use anyhow::Result;

use super::Measure;
use crate::clock::{Clock, Turns};
use crate::figure::{Figure, Goal, Key};
use crate::machine::has_vaes;
use crate::parts::unmask;
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "unmask_vs_keystream",
            unit: "ratio",
            goal: Some(Goal::AtLeast(0.8)),
            what: "CPU time of as many bytes of keystream into 16 KiB / CPU time of expanding 50 seeds and subtracting them from a sum of 32 bits, d = 1e6, block by block",
        },
        Key {
            name: "unmask_19_bits_vs_keystream",
            unit: "ratio",
            goal: Some(Goal::AtLeast(0.8)),
            what: "the same in a ring of 19 bits",
        },
        Key {
            name: "unmask_64_bits_vs_keystream",
            unit: "ratio",
            goal: Some(Goal::AtLeast(0.8)),
            what: "the same in a ring of 64 bits, 25 seeds",
        },
        Key {
            name: "unmask_ms_n1000_d1e6",
            unit: "ms",
            goal: Some(Goal::AtMost(200.0)),
            what: "CPU time of one thread for 1000 seeds off a sum of d = 1e6, 32 bits",
        },
        Key {
            name: "unmask_n1000_vs_n100",
            unit: "ratio",
            goal: Some(Goal::AtMost(11.0)),
            what: "CPU time for n = 1000 / CPU time for n = 100, d = 1e6: ten times the work",
        },
        Key {
            name: "unmask_d1e7_vs_d1e6",
            unit: "ratio",
            goal: Some(Goal::AtMost(11.0)),
            what: "CPU time for d = 1e7 / CPU time for d = 1e6, n = 50: ten times the work",
        },
    ],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let d = setup.dimension();
    let beside_keystream = |key, bits, seeds| {
        let mut part = unmask("", d, bits, seeds);
        let turns = Turns::of(
            Clock::Thread,
            setup.turns(),
            &mut part.ours,
            &mut part.limit,
        );
        Figure::of(key, &turns.limit_to_ours())
            .part("ours_ms", &turns.ours_ms())
            .part("keystream_ms", &turns.limit_ms())
    };
    let mut figures = vec![
        beside_keystream("unmask_vs_keystream", 32, 50),
        beside_keystream("unmask_19_bits_vs_keystream", 19, 50),
        beside_keystream("unmask_64_bits_vs_keystream", 64, 25),
    ];

    let turns = setup.pick(9, 3, 1);
    let mut thousand = unmask("", d, 32, setup.pick(1000, 1000, 20)).ours;
    let mut hundred = unmask("", d, 32, setup.pick(100, 100, 2)).ours;
    let by_cohort = Turns::of(Clock::Thread, turns, &mut thousand, &mut hundred);
    figures.push(if has_vaes() {
        Figure::of("unmask_ms_n1000_d1e6", &by_cohort.ours_ms())
    } else {
        let reason = "this CPU has no VAES, which the limit in ms is stated for";
        Figure::skipped("unmask_ms_n1000_d1e6", reason)
    });
    figures.push(Figure::of(
        "unmask_n1000_vs_n100",
        &by_cohort.ours_to_limit(),
    ));
    let mut large = unmask("", d * 10, 32, 50).ours;
    let mut small = unmask("", d, 32, 50).ours;
    let by_model = Turns::of(Clock::Thread, turns, &mut large, &mut small);
    figures.push(Figure::of("unmask_d1e7_vs_d1e6", &by_model.ours_to_limit()));
    Ok(figures)
}
