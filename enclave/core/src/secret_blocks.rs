//! A vector of unmasked values: erased when dropped (I3, I10).

use sealsum_protocol::{BlockLayout, RingVector};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Blocks that hold what no one outside may see. No `Debug`, no `Clone`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SecretBlocks(Vec<RingVector>);
sealsum_protocol::secret!(SecretBlocks);

impl SecretBlocks {
    /// All zeros.
    pub(crate) fn zeros(layout: BlockLayout) -> Self {
        Self(
            layout
                .indices()
                .filter_map(|index| layout.elements(index))
                .map(|elements| RingVector::zeros(layout.bits(), elements))
                .collect(),
        )
    }

    /// None yet, with room for all.
    pub(crate) fn empty(layout: BlockLayout) -> Self {
        Self(Vec::with_capacity(
            usize::try_from(layout.blocks()).unwrap_or(0),
        ))
    }

    pub(crate) fn push(&mut self, block: RingVector) {
        self.0.push(block);
    }

    pub(crate) fn blocks(&self) -> &[RingVector] {
        &self.0
    }

    pub(crate) fn blocks_mut(&mut self) -> &mut [RingVector] {
        &mut self.0
    }
}
