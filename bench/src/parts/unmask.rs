//! Masks off a summed vector, block by block. The limit: as much keystream into 16 KiB.

use sealsum_protocol::MaskSeed;

use super::{Part, layout, vector};
use crate::probe::keystream;

pub(crate) fn unmask(key: &str, dimension: u64, bits: u8, seeds: u32) -> Part {
    let seeds: Vec<_> = (0..seeds)
        .map(|n| {
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&n.to_le_bytes());
            MaskSeed::new(&seed)
        })
        .collect();
    let layout = layout(dimension, bits);
    let mut sum = vector(layout);
    let bytes = dimension * layout.bits().lane_bytes() * seeds.len() as u64;
    Part {
        key: key.to_owned(),
        ours: Box::new(move || {
            for (index, block) in (0..).zip(&mut sum) {
                for seed in &seeds {
                    let unmasked = seed.expand(layout.bits()).wrapping_sub_from(index, block);
                    assert!(unmasked.is_ok());
                }
            }
        }),
        limit: Box::new(move || keystream(bytes)),
    }
}
