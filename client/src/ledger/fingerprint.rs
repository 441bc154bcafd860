//! Fingerprints: decides whether an update is the one that was sealed before, so that nobody takes
//! the bytes of another for sent.
//!
//! A plain digest would let whoever reads a copy of the ledger test guesses at an update of few
//! possible values. So it is a keyed hash, and the key is derived from the identity's seed, which
//! is in the key file and not in the ledger. It is compared and never shown.

use rusqlite::{OptionalExtension as _, params};
use sealsum_protocol::{RoundId, Schema};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Ledger, LedgerError};
use crate::update::{Update, Values};

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
        match update.values() {
            Values::Single(values) => self.fingerprint_of(update.schema(), values, weight),
            Values::Double(values) => self.fingerprint_of(update.schema(), values, weight),
        }
    }

    /// Values go in as 64-bit floats, however they are held.
    fn fingerprint_of<V: Copy + Into<f64>>(
        &self,
        schema: &Schema,
        values: &[V],
        weight: u32,
    ) -> Fingerprint {
        let mut hash = blake3::Hasher::new_keyed(&self.fingerprints.0);
        // What goes in front of the values is carried along at the front of each piece, so that
        // all pieces but the last are PIECE_BYTES long: BLAKE3 is several times slower on pieces that don't
        // end where its chunks do.
        let mut piece = Zeroizing::new([0; FRONT_BYTES + PIECE_BYTES]);
        let (layout, weight_at) = (schema.digest(), FRONT_BYTES - 4);
        piece[..weight_at].copy_from_slice(layout.as_bytes());
        piece[weight_at..FRONT_BYTES].copy_from_slice(&weight.to_le_bytes());
        let mut filled = FRONT_BYTES;
        for values in values.chunks(PIECE_BYTES / 8) {
            for (place, value) in piece[FRONT_BYTES..].chunks_exact_mut(8).zip(values) {
                let value: f64 = (*value).into();
                place.copy_from_slice(&value.to_le_bytes());
            }
            filled = FRONT_BYTES + 8 * values.len();
            if let Some(carried) = filled.checked_sub(PIECE_BYTES) {
                hash.update(&piece[..PIECE_BYTES]);
                piece.copy_within(PIECE_BYTES..filled, 0);
                filled = carried;
            }
        }
        hash.update(&piece[..filled]);
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
/// The layout's digest and the weight.
const FRONT_BYTES: usize = 32 + 4;
/// Values at a time, in bytes: enough for all lanes of BLAKE3, and in the first cache.
const PIECE_BYTES: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    /// The same, all at once.
    fn plain(ledger: &Ledger, update: &Update, weight: u32) -> [u8; 32] {
        let mut bytes = update.schema().digest().as_bytes().to_vec();
        bytes.extend(weight.to_le_bytes());
        bytes.extend(update.values().doubles().flat_map(f64::to_le_bytes));
        *blake3::keyed_hash(&ledger.fingerprints.0, &bytes).as_bytes()
    }

    #[test]
    fn a_fingerprint_is_of_layout_weight_and_every_value() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::create(folder.path()).unwrap();
        let ledger = Ledger::open(&identity, sealsum_attestation::Trust::Mock).unwrap();
        let piece = PIECE_BYTES / 8;
        for length in [
            0,
            1,
            7,
            piece - 5,
            piece - 4,
            piece,
            piece + 1,
            3 * piece,
            3 * piece + 9,
        ] {
            let values: Vec<_> = (0..length).map(|i| i as f64 * 0.7 - 3.0).collect();
            let update = Update::from_values(values.clone());
            let fingerprint = ledger.fingerprint(&update, 3);
            assert_eq!(
                *fingerprint.as_bytes(),
                plain(&ledger, &update, 3),
                "{length}"
            );
            assert_ne!(
                *ledger.fingerprint(&update, 4).as_bytes(),
                *fingerprint.as_bytes()
            );
            for at in [0, length / 2, length.saturating_sub(1)] {
                let mut other = values.clone();
                if let Some(value) = other.get_mut(at) {
                    *value += 1e-9;
                    let other = ledger.fingerprint(&Update::from_values(other), 3);
                    assert_ne!(*other.as_bytes(), *fingerprint.as_bytes(), "{length}, {at}");
                }
            }
        }
    }

    #[test]
    fn a_fingerprint_does_not_tell_how_values_are_held() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::create(folder.path()).unwrap();
        let ledger = Ledger::open(&identity, sealsum_attestation::Trust::Mock).unwrap();
        let single: Vec<f32> = (0..9000).map(|i| i as f32 * 0.7 - 3.0).collect();
        let double: Vec<f64> = single.iter().copied().map(f64::from).collect();
        let schema = Update::from_values(double.clone()).schema().clone();
        let of_single = ledger.fingerprint_of(&schema, &single, 3);
        let of_double = ledger.fingerprint_of(&schema, &double, 3);
        assert_eq!(of_single.as_bytes(), of_double.as_bytes());
    }
}
