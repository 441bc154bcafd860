//! A vector to its bytes, and back. The limit: its lanes copied from memory to memory.

use std::hint::black_box;

use sealsum_protocol::pack::{pack, unpack};

use super::{Part, layout, vector};
use crate::probe::copy;

/// Widths that stand for all: whole bytes, odd ones, and both lanes' own.
pub(crate) const WIDTHS: [u8; 8] = [8, 12, 16, 19, 24, 31, 32, 64];

pub(crate) fn packing(dimension: u64, bits: u8) -> Part {
    let layout = layout(dimension, bits);
    let blocks = vector(layout);
    Part {
        key: format!("pack_{bits}_bits_vs_memcpy"),
        ours: Box::new(move || {
            for block in &blocks {
                black_box(pack(block));
            }
        }),
        limit: Box::new(copy(dimension * layout.bits().lane_bytes())),
    }
}

pub(crate) fn unpacking(dimension: u64, bits: u8) -> Part {
    let layout = layout(dimension, bits);
    let blocks: Vec<_> = vector(layout)
        .iter()
        .map(|block| (pack(block), block.len()))
        .collect();
    Part {
        key: format!("unpack_{bits}_bits_vs_memcpy"),
        ours: Box::new(move || {
            for (bytes, elements) in &blocks {
                assert!(black_box(unpack(bytes, layout.bits(), *elements)).is_ok());
            }
        }),
        limit: Box::new(copy(dimension * layout.bits().lane_bytes())),
    }
}
