//! One update quantized, clipped, rounded and masked; and sealed as a whole. The limit: a copy of its
//! 32-bit elements, a keystream for the mask and, if it is rounded at random, one for that.

use std::hint::black_box;

use sealsum_protocol::fixed::{Number, OutOfRange, RoundingSeed};
use sealsum_protocol::pack::pack_into;
use sealsum_protocol::{
    EncodeError, Encoding, Intake, MaskSeed, RoundParams, RoundTerms, Rounding,
};
use sealsum_testkit::{ScriptedParent, UncheckedClient};

use super::Part;
use crate::probe::{copy, keystream};
use crate::rounds::{Core, terms};

/// Everything but commitment and key agreement; 32 bits are packed by copying.
pub(crate) fn client<V: Number + From<f32> + 'static>(
    key: &str,
    dimension: u64,
    rounding: Rounding,
) -> Part {
    let params = RoundParams::new(of_32_bits(dimension, rounding)).expect("they fit");
    let values: Vec<V> = values(dimension).map(V::from).collect();
    let seed = MaskSeed::new(&[7; 32]);
    let mut masked = Vec::with_capacity(dimension as usize * 4);
    Part {
        key: key.to_owned(),
        ours: Box::new(move || {
            let rounding = RoundingSeed::new([9; 32]);
            let update = Encoding::new(&params, &values, 1, OutOfRange::Clamp, &rounding);
            masked.clear();
            let clamped = update.and_then(|update| {
                update.for_each_masked_piece(&seed, |_, piece| {
                    pack_into(piece, &mut masked);
                    Ok::<_, EncodeError>(())
                })
            });
            assert!(black_box(clamped).is_ok());
        }),
        limit: limit(dimension, rounding),
    }
}

/// From numbers to a contribution: with packing, commitment and X25519.
pub(crate) fn client_seal(key: &str, dimension: u64) -> Part {
    let terms = of_32_bits(dimension, Rounding::Stochastic);
    let binding = ScriptedParent::open(&mut Core::new(), terms).binding;
    let values: Vec<_> = values(dimension).map(f64::from).collect();
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
fn values(dimension: u64) -> impl Iterator<Item = f32> {
    (0..dimension).map(|i| ((i as f64 * 0.618_034).fract() * 1.9 - 0.95) as f32)
}
