//! AES-256-CTR, consumed where it is made.
//!
//! The keystream never goes through memory of ours: the cipher makes a few blocks at a time and
//! hands them to a [`Sink`] inside the code that it has compiled for the processor at hand, so
//! that what the sink does is compiled for it too. Nothing here is bounded by the counter:
//! callers stay below 2^31 blocks of 16 bytes.

use std::sync::LazyLock;

use aes::Aes256Enc;
use ctr::CtrCore;
use ctr::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, InnerIvInit,
    KeyInit, ParBlocks, StreamCipherBackend, StreamCipherClosure, StreamCipherCore,
    StreamCipherSeekCore,
};
use ctr::flavors::Ctr32BE;
use zeroize::Zeroize;

/// The keystream of one seed. The key schedule is zeroized on drop.
pub(crate) struct Keystream(CtrCore<Aes256Enc, Ctr32BE>);
crate::secret!(Keystream);

/// Whoever consumes a keystream. `take` should be `#[inline(always)]`: only then it is compiled
/// for the cipher's processor.
pub(crate) trait Sink {
    /// Takes the next bytes, a multiple of 16; whether it wants more.
    fn take(&mut self, keystream: &[u8]) -> bool;
}

/// Work that needs no keystream, only the processor at its best.
pub(crate) trait Work {
    /// Does it. Should be `#[inline(always)]`, as [`Sink::take`].
    fn run(self);
}

/// Runs `work` compiled for the processor at hand: the cipher is what knows it, and a cipher that
/// encrypts nothing lends its code to anyone, without unsafe code of ours.
#[inline]
pub(crate) fn on_this_processor(work: impl Work) {
    LENDER.encrypt_with_backend(Borrowed(work));
}

/// Its key is no secret. Made once, since that takes as long as packing some hundreds of elements.
static LENDER: LazyLock<Aes256Enc> = LazyLock::new(|| Aes256Enc::new(&[0; 32].into()));

struct Borrowed<W>(W);

impl<W> BlockSizeUser for Borrowed<W> {
    type BlockSize = <Aes256Enc as BlockSizeUser>::BlockSize;
}

impl<W: Work> BlockCipherEncClosure for Borrowed<W> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = Self::BlockSize>>(self, _: &B) {
        self.0.run();
    }
}

impl Keystream {
    /// The keystream of `seed`, from a counter of zero.
    #[inline]
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(CtrCore::inner_iv_init(
            Aes256Enc::new(seed.into()),
            (&[0; 16]).into(),
        ))
    }

    /// Gives `sink` the keystream from 16-byte block `start` on until it wants no more.
    #[inline]
    pub(crate) fn pour(&mut self, start: u32, sink: impl Sink) {
        self.0.set_block_pos(start);
        self.0.process_with_backend(Pour(sink));
    }
}

struct Pour<S>(S);

impl<S> BlockSizeUser for Pour<S> {
    type BlockSize = <CtrCore<Aes256Enc, Ctr32BE> as BlockSizeUser>::BlockSize;
}

impl<S: Sink> StreamCipherClosure for Pour<S> {
    #[inline(always)]
    fn call<B: StreamCipherBackend<BlockSize = Self::BlockSize>>(mut self, backend: &mut B) {
        let mut blocks = Lines(ParBlocks::<B>::default());
        loop {
            backend.gen_par_ks_blocks(&mut blocks.0);
            if !self.0.take(blocks.0.as_flattened()) {
                break;
            }
        }
        blocks.0.as_flattened_mut().zeroize();
    }
}

/// Whole lines of a cache, none of which a vector lies across.
#[repr(align(64))]
struct Lines<T>(T);
