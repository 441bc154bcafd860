//! Repeatable randomness.

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// BLAKE3's output stream over a seed: the same test, the same bytes.
pub struct SeededRng(blake3::OutputReader);

impl SeededRng {
    /// From a number that names the stream.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(
            blake3::Hasher::new_derive_key("sealsum testkit rng")
                .update(&seed.to_le_bytes())
                .finalize_xof(),
        )
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// A number below `bound`, with a bias that no test notices.
    pub fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(self.bytes()) % bound
    }
}

impl TryRng for SeededRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SeededRng {}
