//! Vectors of every width.

use sealsum_protocol::{BlockLayout, RingBits, RingVector};

/// How `dimension` elements of `bits` fall into blocks.
pub(crate) fn layout(dimension: u64, bits: u8) -> BlockLayout {
    BlockLayout::new(dimension, RingBits::new(bits).expect("a ring's width"))
}

/// A vector of that layout, all elements different.
pub(crate) fn vector(layout: BlockLayout) -> Vec<RingVector> {
    layout
        .indices()
        .filter_map(|index| layout.elements(index))
        .map(|elements| {
            RingVector::from_signed(layout.bits(), (0..).map(|i| i * 77_777).take(elements))
        })
        .collect()
}
