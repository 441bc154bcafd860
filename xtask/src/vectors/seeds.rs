//! The fixed values that all vectors derive from.

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};

/// 32 bytes that belong to `name`.
pub(super) fn bytes32(name: &str) -> [u8; 32] {
    Sha256::digest(format!("sealsum vectors: {name}")).into()
}

/// A random source that always gives the same: SHA-256(seed || counter), the
/// counter in 8 little-endian bytes. For vectors only.
pub(super) struct FixedRandom {
    seed: [u8; 32],
    counter: u64,
}

impl FixedRandom {
    pub(super) fn new(name: &str) -> Self {
        Self {
            seed: bytes32(name),
            counter: 0,
        }
    }

    /// `len` bytes.
    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, to: &mut [u8]) {
        for chunk in to.chunks_mut(32) {
            let block: [u8; 32] = Sha256::new()
                .chain_update(self.seed)
                .chain_update(self.counter.to_le_bytes())
                .finalize()
                .into();
            self.counter += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl TryRng for FixedRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        self.fill(to);
        Ok(())
    }
}

impl TryCryptoRng for FixedRandom {}
