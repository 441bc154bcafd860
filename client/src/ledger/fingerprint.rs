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

/// The keys of an identity's fingerprints. No `Debug` or `Clone`; zeroized on drop (I10).
pub(super) struct FingerprintKey {
    /// Of values that are held as 64-bit floats. Earlier versions hashed all values as such.
    double: Zeroizing<[u8; 32]>,
    /// Of values that are held as 32-bit floats, which are half of the bytes.
    single: Zeroizing<[u8; 32]>,
}

sealsum_protocol::secret!(FingerprintKey, Fingerprint);

impl FingerprintKey {
    pub(super) fn derive(seed: &[u8; 32]) -> Self {
        let key = |context| Zeroizing::new(blake3::derive_key(context, seed));
        Self {
            double: key(DOUBLE),
            single: key(SINGLE),
        }
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
            Values::Single(values) => {
                let key = &self.fingerprints.single;
                fingerprint(key, update.schema(), weight, values, f32::to_le_bytes)
            }
            Values::Double(values) => {
                let key = &self.fingerprints.double;
                fingerprint(key, update.schema(), weight, values, f64::to_le_bytes)
            }
        }
    }

    /// As earlier versions made it: all values as 64-bit floats.
    pub(super) fn earlier_fingerprint(&self, update: &Update, weight: u32) -> Fingerprint {
        match update.values() {
            Values::Single(values) => {
                let double = |value| f64::from(value).to_le_bytes();
                let key = &self.fingerprints.double;
                fingerprint(key, update.schema(), weight, values, double)
            }
            Values::Double(_) => self.fingerprint(update, weight),
        }
    }

    /// Whether the contribution to `round_id` was made of this; `None` if there is none, or if it
    /// is from before fingerprints were kept.
    pub(crate) fn was_sealed(
        &self,
        round_id: &RoundId,
        update: &Update,
        weight: u32,
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
        Ok(stored.flatten().map(|stored| {
            stored == self.fingerprint(update, weight).0
                || stored == self.earlier_fingerprint(update, weight).0
        }))
    }
}

fn fingerprint<V: Copy, const N: usize>(
    key: &[u8; 32],
    schema: &Schema,
    weight: u32,
    values: &[V],
    bytes: impl Fn(V) -> [u8; N],
) -> Fingerprint {
    let mut hash = blake3::Hasher::new_keyed(key);
    // What goes in front of the values is carried along at the front of each piece, so that
    // all pieces but the last are PIECE_BYTES long: BLAKE3 is several times slower on pieces that don't
    // end where its chunks do.
    let mut piece = Piece([0; FRONT_BYTES + PIECE_BYTES]);
    let piece = &mut piece.0;
    let (layout, weight_at) = (schema.digest(), FRONT_BYTES - 4);
    piece[..weight_at].copy_from_slice(layout.as_bytes());
    piece[weight_at..FRONT_BYTES].copy_from_slice(&weight.to_le_bytes());
    let mut filled = FRONT_BYTES;
    for values in values.chunks(PIECE_BYTES / N) {
        let (places, _) = piece[FRONT_BYTES..].as_chunks_mut();
        for (place, value) in places.iter_mut().zip(values) {
            *place = bytes(*value);
        }
        filled = FRONT_BYTES + N * values.len();
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

/// What is hashed next; zeroized on drop.
struct Piece([u8; FRONT_BYTES + PIECE_BYTES]);

impl Drop for Piece {
    fn drop(&mut self) {
        // As a slice: an array is wiped byte by byte.
        self.0.as_mut_slice().zeroize();
    }
}

/// Each derives its key from the seed, and no other.
const DOUBLE: &str = "sealsum/v1/ledger/update-fingerprint";
const SINGLE: &str = "sealsum/v2/ledger/update-fingerprint-of-32-bits";
/// The layout's digest and the weight.
const FRONT_BYTES: usize = 32 + 4;
/// Values at a time, in bytes: enough for all lanes of BLAKE3, and in the first cache.
const PIECE_BYTES: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use crate::testing::single;

    /// The same, all at once.
    fn plain<const N: usize>(
        key: &[u8; 32],
        (schema, weight): (&Schema, u32),
        values: impl Iterator<Item = [u8; N]>,
    ) -> [u8; 32] {
        let mut bytes = schema.digest().as_bytes().to_vec();
        bytes.extend(weight.to_le_bytes());
        bytes.extend(values.flatten());
        *blake3::keyed_hash(key, &bytes).as_bytes()
    }

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::create(folder.path()).unwrap();
        let ledger = Ledger::open(&identity, sealsum_attestation::Trust::Mock).unwrap();
        (folder, ledger)
    }

    #[test]
    fn a_fingerprint_is_of_layout_weight_and_every_value() {
        let (_folder, ledger) = ledger();
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
            let key = &ledger.fingerprints.double;
            let all = values.iter().copied().map(f64::to_le_bytes);
            let plain = plain(key, (update.schema(), 3), all);
            assert_eq!(*fingerprint.as_bytes(), plain, "{length}");
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
    fn values_of_32_bits_are_hashed_as_such_and_known_again_as_earlier_versions_did() {
        let (folder, ledger) = ledger();
        for length in [1, PIECE_BYTES / 4, PIECE_BYTES / 2 + 3] {
            let values: Vec<f32> = (0..length).map(|i| i as f32 * 0.7 - 3.0).collect();
            let update = single(folder.path(), &values);
            let of = (update.schema(), 3);
            let single = values.iter().copied().map(f32::to_le_bytes);
            let single = plain(&ledger.fingerprints.single, of, single);
            assert_eq!(*ledger.fingerprint(&update, 3).as_bytes(), single);
            let double = values.iter().map(|value| f64::from(*value).to_le_bytes());
            let double = plain(&ledger.fingerprints.double, of, double);
            assert_eq!(*ledger.earlier_fingerprint(&update, 3).as_bytes(), double);
        }
    }
}
