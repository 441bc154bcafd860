//! The mock's root of trust: one key, and the certificate that policies pin.

use std::path::Path;
use std::sync::Arc;

use rcgen::CertificateParams;
use zeroize::Zeroizing;

use crate::certificate::{self, IssueError};
use crate::key::CertifyingKey;
use crate::root_store::{self, RootError};

/// A self-signed P-384 root. Whoever holds it can vouch for any measurement.
pub struct RootAuthority(Arc<RootKey>);

impl RootAuthority {
    /// A fresh root, valid from a day before `now_ms` (so that an NSM whose
    /// clock lags can still be under it) for 30 years.
    ///
    /// # Errors
    /// When the time is no time a certificate can say, or the system has no
    /// randomness.
    pub fn generate(now_ms: u64) -> Result<Self, IssueError> {
        let params = certificate::root_params(certificate::seconds(now_ms)?)?;
        let (key, pkcs8) = CertifyingKey::generate().map_err(|_| IssueError::Entropy)?;
        let der = certificate::self_signed(&params, &key)?;
        Ok(Self(Arc::new(RootKey {
            key,
            pkcs8,
            params,
            der,
        })))
    }

    /// The certificate, DER.
    pub fn root_der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate, PEM: what a policy pins.
    pub fn root_pem(&self) -> String {
        root_store::certificate_pem(&self.0.der)
    }

    /// Writes the key and its certificate to [`ROOT_FILE`](crate::ROOT_FILE) in
    /// `dir`, which is made if need be: mode 0600, whole or not at all. Never
    /// writes over a root that is there, since clients have it pinned.
    ///
    /// # Errors
    /// [`RootError::Occupied`] when there is one; [`RootError::Unwritable`].
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<(), RootError> {
        root_store::save(dir.as_ref(), &self.0)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When there is none, others may read it, or its certificate is not one
    /// that its key could have signed.
    pub fn load(dir: impl AsRef<Path>) -> Result<Self, RootError> {
        root_store::load(dir.as_ref()).map(|key| Self(Arc::new(key)))
    }

    /// The root in `dir`, or a fresh one that is then kept there. Two processes
    /// that start at once get the same one.
    ///
    /// # Errors
    /// As [`generate`](Self::generate), [`save`](Self::save) and
    /// [`load`](Self::load); a root that is there but unsound is never replaced.
    pub fn load_or_create(dir: impl AsRef<Path>, now_ms: u64) -> Result<Self, RootError> {
        let dir = dir.as_ref();
        match Self::load(dir) {
            Err(RootError::Missing { .. }) => {}
            settled => return settled,
        }
        let fresh = Self::generate(now_ms)?;
        match fresh.save(dir) {
            Ok(()) => Ok(fresh),
            Err(RootError::Occupied { .. }) => Self::load(dir),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn shared(&self) -> Arc<RootKey> {
        Arc::clone(&self.0)
    }
}

/// The root's key and certificate. Shared, not copied: the authority and the
/// NSMs under it hold the same one.
pub(crate) struct RootKey {
    pub(crate) key: CertifyingKey,
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
    pub(crate) params: CertificateParams,
    pub(crate) der: Vec<u8>,
}

impl RootKey {
    /// What issuing below it takes.
    pub(crate) fn issuer(&self) -> (&CertificateParams, &CertifyingKey) {
        (&self.params, &self.key)
    }
}
