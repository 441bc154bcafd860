//! A data holder's identity: one key, one ledger, one data set (I12).
//!
//! The ledgers are made with the key and bound to it; they are never made again for a key that
//! exists. The folder is trusted: whoever restores an old copy of key and ledger together
//! gets the old budget back, a stated limit.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sealsum_attestation::Trust;
use sealsum_protocol::{ClientId, ClientSigner, Registry};
use zeroize::Zeroizing;

use crate::ledger::{Ledger, LedgerError};
use crate::member::Member;
use crate::random;
use crate::secret_file::{self, KeyFileError};

/// An identity whose key file was read. No `Debug` or `Clone`; its secret is zeroized on drop (I10).
pub struct Identity {
    folder: PathBuf,
    client: ClientId,
    ledger_id: [u8; 32],
    seed: Zeroizing<[u8; 32]>,
}
sealsum_protocol::secret!(Identity);

impl Identity {
    /// Makes a new identity in `folder`: key file and both ledgers. The folder is made if it is
    /// not there.
    ///
    /// # Errors
    /// [`IdentityError`]; an identity that is there already is left as it is.
    pub fn create(folder: &Path) -> Result<Self, IdentityError> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder);
        made.map_err(|error| KeyFileError::Io {
            path: folder.to_owned(),
            error,
        })?;
        let key_file = folder.join(KEY_FILE);
        if key_file.exists() {
            return Err(KeyFileError::Exists(key_file).into());
        }
        let (seed, ledger_id) = (random::secret(), *random::secret());
        let identity = Self {
            folder: folder.to_owned(),
            client: ClientSigner::from_secret(&seed).key(),
            ledger_id,
            seed,
        };
        // Ledgers first: a key without them could never be used, and they are never made for a
        // key that exists.
        for trust in [Trust::AwsNitro, Trust::Mock] {
            Ledger::create(&identity, trust)?;
        }
        secret_file::create(
            &key_file,
            KIND,
            &[("seed", &identity.seed), ("ledger", &ledger_id)],
        )?;
        Ok(identity)
    }

    /// Reads the identity in `folder`.
    ///
    /// # Errors
    /// [`KeyFileError`] if there is none, or others could read its key.
    pub fn load(folder: &Path) -> Result<Self, KeyFileError> {
        let [seed, ledger_id] =
            secret_file::read(&folder.join(KEY_FILE), KIND, ["seed", "ledger"])?;
        Ok(Self {
            folder: folder.to_owned(),
            client: ClientSigner::from_secret(&seed).key(),
            ledger_id: *ledger_id,
            seed,
        })
    }

    /// Who this is in a round.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client
    }

    /// This identity's place in a registry; `None` if the registry does not admit it.
    #[must_use]
    pub fn member_of(&self, registry: &Registry) -> Option<Member> {
        Member::new(ClientSigner::from_secret(&self.seed), registry)
    }

    /// Where key and ledgers lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the ledgers' key of fingerprints is derived from.
    pub(crate) fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Binds the ledgers to this identity.
    pub(crate) fn ledger_id(&self) -> &[u8; 32] {
        &self.ledger_id
    }
}

/// Why an identity can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Its key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Its ledgers.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

const KEY_FILE: &str = "identity.key";
const KIND: &str = "sealsum-identity 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_the_same_when_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let made = Identity::create(folder.path()).unwrap();
        let read = Identity::load(folder.path()).unwrap();
        assert_eq!(made.client_id(), read.client_id());
        assert_eq!(made.ledger_id(), read.ledger_id());
    }

    #[test]
    fn an_identity_is_never_made_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let made = Identity::create(folder.path()).unwrap();
        assert!(matches!(
            Identity::create(folder.path()),
            Err(IdentityError::KeyFile(KeyFileError::Exists(_)))
        ));
        let read = Identity::load(folder.path()).unwrap();
        assert_eq!(made.client_id(), read.client_id());
    }

    #[test]
    fn two_identities_differ() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let a = Identity::create(a.path()).unwrap();
        let b = Identity::create(b.path()).unwrap();
        assert_ne!(a.client_id(), b.client_id());
        assert_ne!(a.ledger_id(), b.ledger_id());
    }
}
