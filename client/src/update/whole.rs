//! A base model's file as a whole: the digest that it has before anything is selected of it, so that
//! the ledger knows a model again whatever part of it takes part (I11).
//!
//! It is the digest that an unselected model of all floats would have. The file is read piece by
//! piece, since only a small part of it may be in memory.

use std::io::{self, Read};

use sealsum_protocol::{Digest, Schema, label};
use sha2::{Digest as _, Sha256};

/// [`sealsum_protocol::schema::base_model_digest`], of numbers that come in pieces.
pub(super) struct ModelDigest(Sha256);

impl ModelDigest {
    /// Begins with the layout; `bytes` of numbers are to follow.
    pub(super) fn begin(schema: &Schema, bytes: u64) -> Self {
        let text = label::BASE_MODEL.as_str().as_bytes();
        let mut hash = Sha256::new();
        // A label is at most 255 bytes long.
        hash.update([text.len() as u8]);
        hash.update(text);
        let layout = schema.digest();
        hash.update((layout.as_bytes().len() as u64).to_le_bytes());
        hash.update(layout.as_bytes());
        hash.update(bytes.to_le_bytes());
        Self(hash)
    }

    /// Adds exactly `bytes` of `source`.
    pub(super) fn add(&mut self, source: &mut impl Read, bytes: u64) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut left = bytes;
        while left > 0 {
            let length = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            source.read_exact(&mut piece[..length])?;
            self.0.update(&piece[..length]);
            left -= length as u64;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Digest {
        Digest::new(self.0.finalize().into())
    }
}

const PIECE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
