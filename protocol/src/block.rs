//! Blocks: the unit on the wire, on disk and in the hot loop.
//!
//! A block is 16,384 elements, a constant; only the last is shorter.

use crate::RingBits;

/// Elements of a full block. 64 KiB at 32 bits.
pub const BLOCK_ELEMENTS: u64 = 16_384;

/// How a vector of `dimension` elements of k bits falls into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLayout {
    dimension: u64,
    bits: RingBits,
}

impl BlockLayout {
    /// The layout of `dimension` elements.
    #[must_use]
    pub const fn new(dimension: u64, bits: RingBits) -> Self {
        Self { dimension, bits }
    }

    /// d.
    #[must_use]
    pub const fn dimension(&self) -> u64 {
        self.dimension
    }

    /// k.
    #[must_use]
    pub const fn bits(&self) -> RingBits {
        self.bits
    }

    /// Number of blocks.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.dimension.div_ceil(BLOCK_ELEMENTS)
    }

    /// Elements of block `index`; `None` past the last.
    #[must_use]
    pub fn elements(&self, index: u64) -> Option<usize> {
        let start = index.checked_mul(BLOCK_ELEMENTS)?;
        let rest = self.dimension.checked_sub(start).filter(|rest| *rest > 0)?;
        usize::try_from(rest.min(BLOCK_ELEMENTS)).ok()
    }

    /// Packed bytes of block `index`; `None` past the last.
    #[must_use]
    pub fn bytes(&self, index: u64) -> Option<usize> {
        packed_bytes(self.elements(index)?, self.bits)
    }

    /// Packed bytes of the whole vector: full blocks end on a byte, so this is
    /// ceil(k x d / 8).
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        // The dimension is below 2^32 by `RoundParams`, so this does not wrap.
        self.dimension
            .saturating_mul(self.bits.get_u64())
            .div_ceil(8)
    }

    /// Every block's index.
    pub fn indices(&self) -> core::ops::Range<u64> {
        0..self.blocks()
    }
}

/// ceil(k x elements / 8).
pub(crate) fn packed_bytes(elements: usize, bits: RingBits) -> Option<usize> {
    Some(
        elements
            .checked_mul(usize::try_from(bits.get()).ok()?)?
            .div_ceil(8),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_bytes_add_up_to_the_whole_for_every_width() {
        for bits in (8..=32).chain([64]) {
            let bits = RingBits::new(bits).unwrap();
            for dimension in [1, 7, 16_383, 16_384, 16_385, 50_001] {
                let layout = BlockLayout::new(dimension, bits);
                let bytes: usize = layout.indices().map(|j| layout.bytes(j).unwrap()).sum();
                assert_eq!(bytes as u64, layout.total_bytes());
                let elements: usize = layout.indices().map(|j| layout.elements(j).unwrap()).sum();
                assert_eq!(elements as u64, dimension);
                assert_eq!(layout.elements(layout.blocks()), None);
                assert_eq!(layout.elements(u64::MAX), None);
            }
        }
    }
}
