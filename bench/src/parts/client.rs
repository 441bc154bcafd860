//! One update quantized, clipped, rounded and masked; and sealed as a whole. The limit: a copy of its
//! 32-bit elements, a keystream for the mask and, if it is rounded at random, one for that.

use std::hint::black_box;

use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::{EncodedUpdate, Intake, MaskSeed, RoundParams, RoundTerms, Rounding};
use sealsum_testkit::{ScriptedParent, UncheckedClient};

use super::{Part, vector};
use crate::probe::{copy, keystream};
use crate::rounds::{Core, terms};

/// Everything but packing, commitment and key agreement.
pub(crate) fn client(key: &str, dimension: u64, rounding: Rounding) -> Part {
    let params = RoundParams::new(of_32_bits(dimension, rounding)).expect("they fit");
    let values = values(dimension);
    let seed = MaskSeed::new(&[7; 32]);
    let mut masked = vector(params.layout());
    Part {
        key: key.to_owned(),
        ours: Box::new(move || {
            let seed_of_rounding = RoundingSeed::new([9; 32]);
            let encoded =
                EncodedUpdate::encode(&params, &values, 1, OutOfRange::Clamp, &seed_of_rounding);
            assert!(black_box(encoded).is_ok());
            let mut mask = seed.expand(params.layout().bits());
            for (index, block) in (0..).zip(&mut masked) {
                assert!(mask.wrapping_add_to(index, block).is_ok());
            }
        }),
        limit: limit(dimension, rounding),
    }
}

/// From numbers to a contribution: with packing, commitment and X25519.
pub(crate) fn client_seal(key: &str, dimension: u64) -> Part {
    let terms = of_32_bits(dimension, Rounding::Stochastic);
    let binding = ScriptedParent::open(&mut Core::new(), terms).binding;
    let values = values(dimension);
    Part {
        key: key.to_owned(),
        ours: Box::new(move || {
            black_box(UncheckedClient::new(1).contribute(&binding, &values));
        }),
        limit: limit(dimension, Rounding::Stochastic),
    }
}

fn limit(dimension: u64, rounding: Rounding) -> Box<dyn FnMut()> {
    let keystreams = if rounding == Rounding::Stochastic {
        2
    } else {
        1
    };
    let mut copy = copy(dimension * 4);
    Box::new(move || {
        keystream(dimension * 4 * keystreams);
        copy();
    })
}

fn of_32_bits(dimension: u64, rounding: Rounding) -> RoundTerms {
    RoundTerms {
        rounding,
        max_cohort: 1000,
        ..terms(Intake::Presum, dimension, 32)
    }
}

/// Within the clip of 1, none of them a multiple of a step.
fn values(dimension: u64) -> Vec<f64> {
    (0..dimension)
        .map(|i| (i as f64 * 0.618_034).fract() * 1.9 - 0.95)
        .collect()
}
