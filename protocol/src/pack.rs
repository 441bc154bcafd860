//! Packing: k-bit elements to bytes and back.
//!
//! Element i takes bits i x k to (i + 1) x k - 1 of the block, least significant
//! bit first; what is left of the last byte is zero. A non-zero rest is an
//! error, so each vector has one encoding.
//!
//! Nothing here branches on an element. The bytes are checked before anything is
//! written, so an error changes nothing.

mod groups;

use crate::RingBits;
use crate::block::packed_bytes;
use crate::ring::{Lanes, RingVector, wrapping_mix_words};

/// Packs a block of elements into ceil(k x len / 8) bytes.
#[must_use]
pub fn pack(block: &RingVector) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(bytes_of(block));
    pack_into(block, &mut bytes);
    bytes
}

/// Appends the packed elements to `bytes`.
///
/// Bytes that have no room for them move, and what was there before stays behind in freed
/// memory: if that is secret, reserve the room first.
pub fn pack_into(block: &RingVector, bytes: &mut Vec<u8>) {
    bytes.reserve(bytes_of(block));
    match block.lanes() {
        Lanes::Narrow(lanes) if block.bits().get() == 32 => {
            append(lanes, u32::to_le_bytes, bytes);
        }
        Lanes::Narrow(lanes) => {
            let start = bytes.len();
            bytes.resize(start.saturating_add(bytes_of(block)), 0);
            groups::pack(lanes, block.bits(), bytes.split_at_mut(start).1);
        }
        Lanes::Wide(lanes) => append(lanes, u64::to_le_bytes, bytes),
    }
}

/// Unpacks exactly `len` elements of k bits.
///
/// # Errors
/// [`UnpackError`] if the bytes are too few, too many, or their padding is not zero.
pub fn unpack(bytes: &[u8], bits: RingBits, len: usize) -> Result<RingVector, UnpackError> {
    check(bytes, bits, len)?;
    // Whole lanes are copied, which needs no zeros first.
    let lanes = match bits.get() {
        64 => Lanes::Wide(words(bytes).map(u64::from_le_bytes).collect()),
        32 => Lanes::Narrow(words(bytes).map(u32::from_le_bytes).collect()),
        _ => {
            let mut block = RingVector::zeros(bits, len);
            unpack_into(bytes, &mut block)?;
            return Ok(block);
        }
    };
    Ok(RingVector::from_lanes(bits, lanes))
}

/// Unpacks as many elements as `block` has, in place of them.
///
/// # Errors
/// Those of [`unpack`]; nothing was changed.
pub fn unpack_into(bytes: &[u8], block: &mut RingVector) -> Result<(), UnpackError> {
    let bits = block.bits();
    check(bytes, bits, block.len())?;
    match block.lanes_mut() {
        Lanes::Narrow(lanes) => groups::unpack::<false>(bytes, bits, lanes),
        Lanes::Wide(lanes) => {
            for (lane, word) in lanes.iter_mut().zip(words(bytes)) {
                *lane = u64::from_le_bytes(word);
            }
        }
    }
    Ok(())
}

/// Adds as many packed elements as `sum` has to its own, modulo 2^k, without unpacking them first.
///
/// # Errors
/// Those of [`unpack`]; nothing was added.
pub fn add_packed(sum: &mut RingVector, bytes: &[u8]) -> Result<(), UnpackError> {
    let bits = sum.bits();
    check(bytes, bits, sum.len())?;
    match sum.lanes_mut() {
        Lanes::Narrow(lanes) => groups::unpack::<true>(bytes, bits, lanes),
        Lanes::Wide(lanes) => wrapping_mix_words::<false, _>(lanes, bytes, bits.low_mask()),
    }
    Ok(())
}

/// Appends whole lanes. The iterator's length is one that the standard library trusts, so this is one copy
/// of memory; a vector that grows by one lane after the other asks each time whether it has room.
fn append<L: Copy, const N: usize>(lanes: &[L], bytes_of: fn(L) -> [u8; N], bytes: &mut Vec<u8>) {
    bytes.extend(lanes.iter().flat_map(|lane| bytes_of(*lane)));
}

fn words<const N: usize>(bytes: &[u8]) -> impl ExactSizeIterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}

fn bytes_of(block: &RingVector) -> usize {
    packed_bytes(block.len(), block.bits()).unwrap_or(0)
}

/// Whether these are the bytes of `len` elements.
fn check(bytes: &[u8], bits: RingBits, len: usize) -> Result<(), UnpackError> {
    let expected = packed_bytes(len, bits).unwrap_or(0);
    if bytes.len() != expected || (expected == 0 && len != 0) {
        return Err(UnpackError::Length {
            expected,
            found: bytes.len(),
        });
    }
    // Bits of the last byte that an element has; none, and the elements end on a byte.
    let used = len.wrapping_mul(bits.get_u64().try_into().unwrap_or(0)) % 8;
    let rest = bytes.last().map_or(0, |last| last >> used);
    if used != 0 && rest != 0 {
        return Err(UnpackError::Padding);
    }
    Ok(())
}

/// Why bytes are not a packed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// Too few or too many bytes.
    #[error("this block has {expected} bytes by its parameters, {found} were given")]
    Length {
        /// Bytes by the parameters.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The bits after the last element are not zero.
    #[error("the padding bits after the last element are not zero")]
    Padding,
}

#[cfg(test)]
mod tests;
