//! Fingerprints: decides whether an update is the one that was sealed before, so that nobody takes
//! the bytes of another for sent.
//!
//! A plain digest would let whoever reads a copy of the ledger test guesses at an update of few
//! possible values. So it is a keyed hash, and the key is derived from the identity's seed, which
//! is in the key file and not in the ledger. It is compared and never shown.

use rusqlite::{OptionalExtension as _, params};
use sealsum_protocol::RoundId;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Ledger, LedgerError};
use crate::update::Update;

/// The key of an identity's fingerprints. No `Debug` or `Clone`; zeroized on drop (I10).
pub(super) struct FingerprintKey(Zeroizing<[u8; 32]>);

sealsum_protocol::secret!(FingerprintKey, Fingerprint);

impl FingerprintKey {
    pub(super) fn derive(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(blake3::derive_key(CONTEXT, seed)))
    }
}

/// What an update and its weight come down to, under one identity's key. Only [`Ledger::fingerprint`]
/// makes one. No `Debug`: it is compared and never shown.
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Ledger {
    /// The fingerprint of an update with the weight that it is contributed with: its names, shapes,
    /// number types and values as they are read, before clipping and rounding.
    #[must_use]
    pub fn fingerprint(&self, update: &Update, weight: u32) -> Fingerprint {
        let mut hash = blake3::Hasher::new_keyed(&self.fingerprints.0);
        hash.update(update.schema().digest().as_bytes());
        hash.update(&weight.to_le_bytes());
        let mut bytes = Zeroizing::new([0; 8 * VALUES_AT_ONCE]);
        for values in update.values().chunks(VALUES_AT_ONCE) {
            for (place, value) in bytes.chunks_exact_mut(8).zip(values) {
                place.copy_from_slice(&value.to_le_bytes());
            }
            hash.update(&bytes[..8 * values.len()]);
        }
        let fingerprint = Fingerprint(*hash.finalize().as_bytes());
        hash.zeroize();
        fingerprint
    }

    /// Whether the contribution to `round_id` was made of this; `None` if there is none, or if it
    /// is from before fingerprints were kept.
    pub(crate) fn was_sealed(
        &self,
        round_id: &RoundId,
        fingerprint: &Fingerprint,
    ) -> Result<Option<bool>, LedgerError> {
        let stored: Option<Option<[u8; 32]>> = self
            .connection
            .query_row(
                "SELECT fingerprint FROM contributions WHERE round_id = ?1",
                params![round_id.as_bytes()],
                |row| row.get(0),
            )
            .optional()
            .map_err(LedgerError::sql(&self.path))?;
        Ok(stored.flatten().map(|stored| stored == fingerprint.0))
    }
}

/// Derives this key from the seed, and no other.
const CONTEXT: &str = "sealsum/v1/ledger/update-fingerprint";
/// 8 KiB at a time.
const VALUES_AT_ONCE: usize = 1024;
