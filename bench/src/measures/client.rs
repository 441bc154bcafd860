//! A client's work on one update, against two keystreams and a copy of the same size.

use anyhow::Result;
use sealsum_protocol::Rounding;

use super::Measure;
use crate::clock::{Clock, Turns};
use crate::figure::{Figure, Goal, Key};
use crate::parts::{Part, client, client_seal};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "client_vs_limit",
            unit: "ratio",
            goal: Some(Goal::AtMost(1.3)),
            what: "CPU time of quantizing, clipping, stochastic rounding and masking d = 1e6 32-bit floats in 32 bits / CPU time of two keystreams and one copy of 4 x d bytes",
        },
        Key {
            name: "client_f64_vs_limit",
            unit: "ratio",
            goal: None,
            what: "the same of 64-bit floats",
        },
        Key {
            name: "client_nearest_vs_limit",
            unit: "ratio",
            goal: None,
            what: "client_vs_limit with nearest rounding / one keystream and one copy",
        },
        Key {
            name: "client_seal_vs_limit",
            unit: "ratio",
            goal: None,
            what: "CPU time from d = 1e6 numbers to a sealed contribution (stochastic rounding, mask, packing in 32 bits, BLAKE3 commitment, X25519) / CPU time of two keystreams and one copy",
        },
    ],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let d = setup.dimension();
    let beside = |key, mut part: Part| {
        let turns = Turns::of(
            Clock::Thread,
            setup.turns(),
            &mut part.ours,
            &mut part.limit,
        );
        Figure::of(key, &turns.ours_to_limit())
            .part("ours_ms", &turns.ours_ms())
            .part("limit_ms", &turns.limit_ms())
    };
    let stochastic = Rounding::Stochastic;
    Ok(vec![
        beside("client_vs_limit", client::<f32>("", d, stochastic)),
        beside("client_f64_vs_limit", client::<f64>("", d, stochastic)),
        beside(
            "client_nearest_vs_limit",
            client::<f32>("", d, Rounding::Nearest),
        ),
        beside("client_seal_vs_limit", client_seal("", d)),
    ])
}
