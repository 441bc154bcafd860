//! Packing: k-bit elements to bytes and back.
//!
//! Element i takes bits i x k to (i + 1) x k - 1 of the block, least significant
//! bit first; what is left of the last byte is zero. A non-zero rest is an
//! error, so each vector has one encoding.

// Shifts and sums stay below 128 bits: at most 63 bits wait while 64 arrive.
#![allow(clippy::arithmetic_side_effects, clippy::as_conversions)]

use crate::RingBits;
use crate::block::packed_bytes;
use crate::ring::{Lanes, RingVector};

/// Packs a block of elements into ceil(k x len / 8) bytes.
#[must_use]
pub fn pack(block: &RingVector) -> Vec<u8> {
    let bits = block.bits();
    let mut bytes = Vec::with_capacity(packed_bytes(block.len(), bits).unwrap_or(0));
    match block.lanes() {
        Lanes::Narrow(lanes) if bits.get() == 32 => {
            lanes
                .iter()
                .for_each(|lane| bytes.extend_from_slice(&lane.to_le_bytes()));
        }
        Lanes::Narrow(lanes) => {
            pack_lanes(lanes.iter().map(|lane| u64::from(*lane)), bits, &mut bytes)
        }
        Lanes::Wide(lanes) => {
            lanes
                .iter()
                .for_each(|lane| bytes.extend_from_slice(&lane.to_le_bytes()));
        }
    }
    bytes
}

/// Unpacks exactly `len` elements of k bits.
///
/// # Errors
/// [`UnpackError`] if the bytes are too few, too many, or their padding is not zero.
pub fn unpack(bytes: &[u8], bits: RingBits, len: usize) -> Result<RingVector, UnpackError> {
    let expected = packed_bytes(len, bits).ok_or(UnpackError::Length {
        expected: 0,
        found: bytes.len(),
    })?;
    if bytes.len() != expected {
        return Err(UnpackError::Length {
            expected,
            found: bytes.len(),
        });
    }
    let lanes = match bits.get() {
        64 => Lanes::Wide(
            bytes
                .chunks_exact(8)
                .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()))
                .collect(),
        ),
        32 => Lanes::Narrow(
            bytes
                .chunks_exact(4)
                .map(|word| u32::from_le_bytes(word.try_into().unwrap_or_default()))
                .collect(),
        ),
        _ => Lanes::Narrow(unpack_lanes(bytes, bits, len)?),
    };
    Ok(RingVector::from_lanes(bits, lanes))
}

fn pack_lanes(lanes: impl Iterator<Item = u64>, bits: RingBits, bytes: &mut Vec<u8>) {
    let (mut waiting, mut held) = (0_u128, 0_u32);
    for lane in lanes {
        waiting |= u128::from(lane) << held;
        held += bits.get();
        if held >= 64 {
            bytes.extend_from_slice(&(waiting as u64).to_le_bytes());
            waiting >>= 64;
            held -= 64;
        }
    }
    bytes.extend(
        (waiting as u64)
            .to_le_bytes()
            .into_iter()
            .take(held.div_ceil(8) as usize),
    );
}

fn unpack_lanes(bytes: &[u8], bits: RingBits, len: usize) -> Result<Vec<u32>, UnpackError> {
    let mut lanes = Vec::with_capacity(len);
    let (mut waiting, mut held) = (0_u128, 0_u32);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word.iter_mut()
            .zip(chunk)
            .for_each(|(to, from)| *to = *from);
        waiting |= u128::from(u64::from_le_bytes(word)) << held;
        held += chunk.len() as u32 * 8;
        // Padding is shorter than any element, so these are `len`.
        while held >= bits.get() {
            lanes.push((waiting as u64 & bits.low_mask()) as u32);
            waiting >>= bits.get();
            held -= bits.get();
        }
    }
    if waiting == 0 {
        Ok(lanes)
    } else {
        Err(UnpackError::Padding)
    }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_bits() -> impl Strategy<Value = RingBits> {
        prop_oneof![8_u8..=32, Just(64)].prop_map(|bits| RingBits::new(bits).unwrap())
    }

    proptest! {
        #[test]
        fn unpacking_what_was_packed_gives_it_back(bits in any_bits(), values in prop::collection::vec(any::<i64>(), 0..300)) {
            let block = RingVector::from_signed(bits, values.iter().copied());
            let bytes = pack(&block);
            let back = unpack(&bytes, bits, values.len()).unwrap();
            prop_assert!(back.signed().eq(block.signed()));
        }

        #[test]
        fn any_other_length_is_refused(bits in any_bits(), len in 1_usize..300, cut in 1_usize..4) {
            let bytes = pack(&RingVector::zeros(bits, len));
            let short = &bytes[..bytes.len().saturating_sub(cut)];
            prop_assert!(matches!(unpack(short, bits, len), Err(UnpackError::Length { .. })), "short");
            let mut long = bytes.clone();
            long.resize(bytes.len() + cut, 0);
            prop_assert!(matches!(unpack(&long, bits, len), Err(UnpackError::Length { .. })), "long");
        }

        #[test]
        fn each_padding_bit_is_checked(bits in any_bits(), len in 1_usize..40) {
            let mut bytes = pack(&RingVector::zeros(bits, len));
            let used = len * bits.get() as usize;
            for bit in used..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(unpack(&bytes, bits, len).err(), Some(UnpackError::Padding));
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
