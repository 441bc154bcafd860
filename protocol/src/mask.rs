//! Masks: the keystream that makes an encoded update uniform.
//!
//! AES-256-CTR under the 32-byte seed, counter from zero, read as little-endian
//! words of the lane's width whose low k bits are the mask. The keystream is
//! seekable, so block j can be made alone. One seed masks one vector, ever:
//! `seal` consumes the encapsulation that the seed came from.

mod keystream;

use zeroize::{Zeroize, ZeroizeOnDrop};

pub(crate) use self::keystream::{Keystream, Sink, Work, on_this_processor};
use crate::BLOCK_ELEMENTS;
use crate::ring::{Lane, Lanes, RingBits, RingVector, wrapping_mix_words};

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
            keystream: Keystream::new(&self.0),
            bits,
        }
    }
}

/// A seed's keystream, block by block. The cipher's key schedule is zeroized on drop.
pub struct Mask {
    keystream: Keystream,
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
        self.mix::<false>(index, block)
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
        self.mix::<true>(index, block)
    }

    fn mix<const SUB: bool>(
        &mut self,
        index: u64,
        block: &mut RingVector,
    ) -> Result<(), PastTheKeystream> {
        let first = index.checked_mul(BLOCK_ELEMENTS).ok_or(PastTheKeystream)?;
        self.mix_from::<SUB>(first, block)
    }

    /// Adds the mask of the elements from `first` on, a multiple of four, to those in `piece`.
    pub(crate) fn wrapping_add_from(
        &mut self,
        first: u64,
        piece: &mut RingVector,
    ) -> Result<(), PastTheKeystream> {
        self.mix_from::<false>(first, piece)
    }

    fn mix_from<const SUB: bool>(
        &mut self,
        first: u64,
        piece: &mut RingVector,
    ) -> Result<(), PastTheKeystream> {
        let start = keystream_block(first, piece.len(), self.bits)?;
        let low = self.bits.low_mask();
        match piece.lanes_mut() {
            Lanes::Narrow(lanes) => self.keystream.pour(start, Mix::<SUB, u32> { lanes, low }),
            Lanes::Wide(lanes) => self.keystream.pour(start, Mix::<SUB, u64> { lanes, low }),
        }
        Ok(())
    }
}

/// Adds keystream to lanes, or subtracts it.
struct Mix<'a, const SUB: bool, L> {
    lanes: &'a mut [L],
    low: u64,
}

impl<const SUB: bool, L: Lane> Sink for Mix<'_, SUB, L> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) -> bool {
        let words = keystream.len().checked_div(size_of::<L>()).unwrap_or(0);
        let lanes = core::mem::take(&mut self.lanes);
        // A case of its own for all of the keystream: compilers know its length.
        if lanes.len() < words {
            wrapping_mix_words::<SUB, L>(lanes, keystream, self.low);
            return false;
        }
        let (now, later) = lanes.split_at_mut(words);
        wrapping_mix_words::<SUB, L>(now, keystream, self.low);
        self.lanes = later;
        !self.lanes.is_empty()
    }
}

/// The 16 bytes of keystream at which `len` elements from `first` on begin. Each fourth element begins
/// with such 16 bytes, whatever the lane.
fn keystream_block(first: u64, len: usize, bits: RingBits) -> Result<u32, PastTheKeystream> {
    let lane = bits.lane_bytes();
    let start = first.checked_mul(lane).ok_or(PastTheKeystream)?;
    let bytes = u64::try_from(len)
        .ok()
        .and_then(|len| len.checked_mul(lane))
        .ok_or(PastTheKeystream)?;
    if start
        .checked_add(bytes)
        .is_none_or(|end| end > KEYSTREAM_BYTES)
    {
        return Err(PastTheKeystream);
    }
    u32::try_from(start.div_euclid(16)).map_err(|_| PastTheKeystream)
}

/// More keystream was asked for than one seed has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the block lies beyond the 32 GiB of keystream that one seed has")]
pub struct PastTheKeystream;

/// 2^32 elements of 64 bits: what the largest dimension needs, and half of where
/// the 32-bit block counter would repeat.
const KEYSTREAM_BYTES: u64 = 1 << 35;

#[cfg(test)]
mod tests {
    use super::*;
    use aes::Aes256;
    use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
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

    /// The definition, one word after the other: docs/PROTOCOL.md, section 9.
    fn masked_slowly(seed: &[u8; 32], index: u64, block: &RingVector, sub: bool) -> Vec<i64> {
        let bits = block.bits();
        let lane = bits.lane_bytes();
        let mut keystream = vec![0; block.len() * lane as usize];
        let mut cipher = ctr::Ctr32BE::<Aes256>::new(seed.into(), &[0; 16].into());
        cipher.seek(index * BLOCK_ELEMENTS * lane);
        cipher.apply_keystream(&mut keystream);
        let words = keystream.chunks(lane as usize).map(|word| {
            let mut whole = [0; 8];
            whole[..word.len()].copy_from_slice(word);
            u64::from_le_bytes(whole)
        });
        let sums = block.signed().zip(words).map(|(element, word)| {
            let word = if sub { word.wrapping_neg() } else { word };
            (element as u64).wrapping_add(word) as i64
        });
        RingVector::from_signed(bits, sums).signed().collect()
    }

    proptest! {
        #[test]
        fn masking_is_word_for_word_what_the_protocol_defines(
            seed in any::<[u8; 32]>(), bits in prop_oneof![8_u8..=32, Just(64)], sub: bool,
            index in prop_oneof![0_u64..1000, Just((1 << 18) - 1)],
            values in prop::collection::vec(any::<i64>(), 1..2100), whole: bool,
        ) {
            let bits = RingBits::new(bits).unwrap();
            let len = if whole { BLOCK_ELEMENTS as usize } else { values.len() };
            let mut block = RingVector::from_signed(bits, values.iter().copied().cycle().take(len));
            let expected = masked_slowly(&seed, index, &block, sub);
            let mut mask = MaskSeed::new(&seed).expand(bits);
            let done = if sub {
                mask.wrapping_sub_from(index, &mut block)
            } else {
                mask.wrapping_add_to(index, &mut block)
            };
            prop_assert_eq!(done, Ok(()));
            prop_assert!(block.signed().eq(expected));
        }

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
