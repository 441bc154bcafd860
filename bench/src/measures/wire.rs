//! What an upload weighs: a real body, as the client's library sends it.

use anyhow::{Context, Result, ensure};
use sealsum_protocol::plan::{largest_sum, smallest_ring};
use sealsum_protocol::{Intake, KemSuite, RoundParams, RoundTerms, upload};
use sealsum_testkit::{ScriptedParent, UncheckedClient};

use super::Measure;
use crate::figure::{Figure, Goal, Key};
use crate::rounds::{Core, terms};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "upload_bytes_per_element",
            unit: "bytes",
            // 19 / 8, and 1.6 KB over a million elements.
            goal: Some(Goal::AtMost(2.375 + 0.0016)),
            what: "bytes of a PUT body / d: 12-bit values of up to 100 clients, d = 1e6, X-Wing, in the ring that the planner picks",
        },
        Key {
            name: "upload_overhead_bytes",
            unit: "bytes",
            goal: Some(Goal::AtMost(1600.0)),
            what: "bytes of that body - ceil(k x d / 8): key, commitment and sealed header",
        },
    ],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let d = setup.dimension();
    // Two's complement of 12 bits: 2^11 steps to either side.
    let wide = RoundTerms {
        kem: KemSuite::XWing,
        clip: 1 << 11,
        fractional_bits: 11,
        ..terms(Intake::Presum, d, 32)
    };
    let picked = smallest_ring(largest_sum(&wide)).context("no ring is wide enough")?;
    let narrow = RoundTerms {
        ring_bits: picked,
        ..wide.clone()
    };
    for bits in 8..picked.get() {
        let bits = u8::try_from(bits)?;
        let terms = RoundTerms {
            ring_bits: sealsum_protocol::RingBits::new(bits)?,
            ..wide.clone()
        };
        ensure!(
            RoundParams::new(terms).is_err(),
            "the planner takes {bits} bits, and picked {picked}"
        );
    }
    let narrow = body(&narrow);
    let wide = body(&wide);
    let elements = d as f64;
    Ok(vec![
        Figure::of("upload_bytes_per_element", &[narrow.bytes / elements])
            .part("ring_bits", &[f64::from(picked.get())])
            .part("of_32_bits_bytes", &[wide.bytes / elements])
            .note("Flower's SecAgg+ sends 64 bits an element"),
        Figure::of("upload_overhead_bytes", &[narrow.overhead])
            .part("of_32_bits_bytes", &[wide.overhead]),
    ])
}

struct Body {
    bytes: f64,
    overhead: f64,
}

fn body(terms: &RoundTerms) -> Body {
    let values = vec![0.25; terms.dimension as usize];
    let packed = (u64::from(terms.ring_bits.get()) * terms.dimension).div_ceil(8);
    let binding = ScriptedParent::open(&mut Core::new(), terms.clone()).binding;
    let contribution = UncheckedClient::new(1).contribute(&binding, &values);
    let bytes = upload::prefix(&contribution.header).len() + contribution.body.len();
    Body {
        bytes: bytes as f64,
        overhead: bytes as f64 - packed as f64,
    }
}
