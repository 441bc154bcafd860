//! Removing masks from a summed block: `block - sum of masks`, without a branch on values.

use sealsum_protocol::{MaskSeed, Refusal, RingVector};

/// Subtracts block `index` of every seed's mask from `block`.
///
/// # Errors
/// `NoMoreOfThisBlock` for a block beyond the keystream, which accepted parameters exclude.
pub(crate) fn unmask(
    block: &mut RingVector,
    index: u64,
    seeds: &[MaskSeed],
) -> Result<(), Refusal> {
    for seed in seeds {
        seed.expand(block.bits())
            .wrapping_sub_from(index, block)
            .map_err(|_| Refusal::NoMoreOfThisBlock)?;
    }
    Ok(())
}
