//! A vector to its bytes, and back. The limit: its lanes copied block by block into fresh memory, as
//! packing and unpacking make theirs.

use std::hint::black_box;

use sealsum_protocol::BlockLayout;
use sealsum_protocol::pack::{pack, unpack};

use super::{Part, layout, vector};

/// Widths that stand for all: whole bytes, odd ones, and both lanes' own.
pub(crate) const WIDTHS: [u8; 7] = [8, 12, 16, 19, 24, 32, 64];

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
        limit: copies(layout),
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
        limit: copies(layout),
    }
}

fn copies(layout: BlockLayout) -> Box<dyn FnMut()> {
    let blocks: Vec<Vec<u8>> = vector(layout)
        .iter()
        .map(|block| vec![1; block.len() * layout.bits().lane_bytes() as usize])
        .collect();
    Box::new(move || {
        for block in &blocks {
            black_box(black_box(block).clone());
        }
    })
}
