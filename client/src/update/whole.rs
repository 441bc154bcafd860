//! A base model's file as a whole: the digest that it has before anything is selected of it, so that
//! the ledger knows a model again whatever part of it takes part (I11).
//!
//! It is the digest that an unselected model of all floats would have.

use sealsum_protocol::{Digest, Dtype, Schema, label};
use sha2::{Digest as _, Sha256};

use super::numbers::Numbers;

/// [`sealsum_protocol::schema::base_model_digest`], of numbers that come in pieces.
pub(super) struct ModelDigest(Sha256);

impl Numbers for ModelDigest {
    fn begin(schema: &Schema, bytes: u64) -> Self {
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

    fn take(&mut self, _: Dtype, piece: &[u8]) {
        self.0.update(piece);
    }
}

impl ModelDigest {
    pub(super) fn finish(self) -> Digest {
        Digest::new(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests;
