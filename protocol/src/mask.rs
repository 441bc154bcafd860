//! Masks: the keystream that makes an encoded update uniform.
//!
//! AES-256-CTR under the 32-byte seed, counter from zero, read as little-endian
//! words of the lane's width whose low k bits are the mask. The keystream is
//! seekable, so block j can be made alone. One seed masks one vector, ever:
//! `seal` consumes the encapsulation that the seed came from.

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::BLOCK_ELEMENTS;
use crate::ring::{RingBits, RingVector};

/// The secret that a mask is expanded from: 32 bytes out of the HPKE exporter.
///
/// Boxed, so that moving it through maps and vectors copies a pointer and leaves no
/// copy of the secret in freed memory.
///
/// No `Debug`, `Clone`, `PartialEq` or serde (I10):
///
/// ```
/// let seed = sealsum_protocol::MaskSeed::new(&[0; 32]);
/// drop(seed);
/// ```
/// ```compile_fail,E0277
/// let seed = sealsum_protocol::MaskSeed::new(&[0; 32]);
/// println!("{seed:?}");
/// ```
/// ```compile_fail,E0599
/// let seed = sealsum_protocol::MaskSeed::new(&[0; 32]);
/// drop(seed.clone());
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MaskSeed(Box<[u8; 32]>);
crate::secret!(MaskSeed);

impl MaskSeed {
    /// Wraps an exported secret.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        // Copied where it stays: `Box::new(*bytes)` may leave another copy on the stack.
        let mut seed = Self(Box::new([0; 32]));
        seed.0.copy_from_slice(bytes);
        seed
    }

    /// Starts the expansion for a ring of width `bits`.
    #[must_use]
    pub fn expand(&self, bits: RingBits) -> Mask {
        Mask {
            cipher: Ctr32BE::new((&*self.0).into(), (&[0; 16]).into()),
            bits,
        }
    }
}

/// A seed's keystream, block by block. The cipher's key schedule is zeroized on drop.
pub struct Mask {
    cipher: Ctr32BE<Aes256>,
    bits: RingBits,
}
crate::secret!(Mask);

impl Mask {
    /// Adds block `index` of the mask to `block`, modulo 2^k.
    ///
    /// # Errors
    /// [`PastTheKeystream`] for a block beyond 32 GiB of keystream.
    pub fn wrapping_add_to(
        &mut self,
        index: u64,
        block: &mut RingVector,
    ) -> Result<(), PastTheKeystream> {
        self.mix(index, block, false)
    }

    /// Subtracts block `index` of the mask from `block`, modulo 2^k.
    ///
    /// # Errors
    /// [`PastTheKeystream`] for a block beyond 32 GiB of keystream.
    pub fn wrapping_sub_from(
        &mut self,
        index: u64,
        block: &mut RingVector,
    ) -> Result<(), PastTheKeystream> {
        self.mix(index, block, true)
    }

    fn mix(
        &mut self,
        index: u64,
        block: &mut RingVector,
        sub: bool,
    ) -> Result<(), PastTheKeystream> {
        let lane = self.bits.lane_bytes();
        let start = index
            .checked_mul(BLOCK_ELEMENTS)
            .and_then(|elements| elements.checked_mul(lane))
            .ok_or(PastTheKeystream)?;
        let bytes = u64::try_from(block.len())
            .ok()
            .and_then(|len| len.checked_mul(lane))
            .ok_or(PastTheKeystream)?;
        if start
            .checked_add(bytes)
            .is_none_or(|end| end > KEYSTREAM_BYTES)
        {
            return Err(PastTheKeystream);
        }
        self.cipher.try_seek(start).map_err(|_| PastTheKeystream)?;
        let mut scratch = [0_u8; SCRATCH_BYTES];
        let lanes = SCRATCH_BYTES
            .checked_div(usize::try_from(lane).unwrap_or(SCRATCH_BYTES))
            .unwrap_or(1);
        for offset in (0..block.len()).step_by(lanes) {
            // Not apply_keystream over zeros: that reads what it writes, at half the speed.
            self.cipher
                .try_write_keystream(&mut scratch)
                .map_err(|_| PastTheKeystream)?;
            block.wrapping_mix_words(offset, &scratch, sub);
        }
        scratch.zeroize();
        Ok(())
    }
}

/// More keystream was asked for than one seed has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the block lies beyond the 32 GiB of keystream that one seed has")]
pub struct PastTheKeystream;

/// 2^32 elements of 64 bits: what the largest dimension needs, and half of where
/// the 32-bit block counter would repeat.
const KEYSTREAM_BYTES: u64 = 1 << 35;
/// Small enough to stay in the first-level cache beside the block.
const SCRATCH_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask_of(seed: u8, bits: u8, index: u64, len: usize) -> Vec<i64> {
        let bits = RingBits::new(bits).unwrap();
        let mut block = RingVector::zeros(bits, len);
        MaskSeed::new(&[seed; 32])
            .expand(bits)
            .wrapping_add_to(index, &mut block)
            .unwrap();
        block.signed().collect()
    }

    /// FIPS 197, C.3: AES-256 of key 00..1f is known for one block; the zero
    /// counter block under the zero key is DC95C078A2408989AD48A21492842087.
    #[test]
    fn the_first_words_are_aes_256_of_counter_zero() {
        let words = mask_of(0, 32, 0, 4);
        assert_eq!(
            words[0] as u32,
            u32::from_le_bytes([0xdc, 0x95, 0xc0, 0x78])
        );
        assert_eq!(
            words[3] as u32,
            u32::from_le_bytes([0x92, 0x84, 0x20, 0x87])
        );
    }

    #[test]
    fn a_later_block_does_not_depend_on_the_earlier_ones() {
        let bits = RingBits::new(20).unwrap();
        let mut mask = MaskSeed::new(&[9; 32]).expand(bits);
        let mut first = RingVector::zeros(bits, 16_384);
        mask.wrapping_add_to(0, &mut first).unwrap();
        let mut second = RingVector::zeros(bits, 100);
        mask.wrapping_add_to(1, &mut second).unwrap();
        assert_eq!(second.signed().collect::<Vec<_>>(), mask_of(9, 20, 1, 100));
        assert_ne!(mask_of(9, 20, 0, 100), mask_of(9, 20, 1, 100));
    }

    #[test]
    fn a_block_past_the_keystream_is_refused() {
        let bits = RingBits::new(64).unwrap();
        let mut block = RingVector::zeros(bits, 16_384);
        let mut mask = MaskSeed::new(&[1; 32]).expand(bits);
        let last = KEYSTREAM_BYTES / (16_384 * 8) - 1;
        assert!(mask.wrapping_add_to(last, &mut block).is_ok());
        assert_eq!(
            mask.wrapping_add_to(last + 1, &mut block),
            Err(PastTheKeystream)
        );
        assert_eq!(
            mask.wrapping_add_to(u64::MAX, &mut block),
            Err(PastTheKeystream)
        );
    }

    proptest! {
        #[test]
        fn unmasking_undoes_masking_for_every_width(
            seed in any::<[u8; 32]>(), bits in prop_oneof![8_u8..=32, Just(64)],
            index in 0_u64..1000, values in prop::collection::vec(any::<i64>(), 1..2100),
        ) {
            let bits = RingBits::new(bits).unwrap();
            let mut block = RingVector::from_signed(bits, values.iter().copied());
            let before: Vec<_> = block.signed().collect();
            let mut mask = MaskSeed::new(&seed).expand(bits);
            mask.wrapping_add_to(index, &mut block).unwrap();
            if values.len() > 16 {
                prop_assert_ne!(&before, &block.signed().collect::<Vec<_>>());
            }
            mask.wrapping_sub_from(index, &mut block).unwrap();
            prop_assert_eq!(before, block.signed().collect::<Vec<_>>());
        }
    }
}
