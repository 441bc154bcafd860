//! Authentication: decides whether the NSM of a machine under the pinned root signed a document
//! (checklist 4 and 5).
//!
//! It trusts the policy's root and the time that the caller passes; no clock is read. What it
//! yields is authentic, but neither fresh nor from an accepted image yet.

use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use sealsum_protocol::UnixMillis;

use crate::chain::{ChainCache, verify_chain};
use crate::document::UnverifiedDocument;
use crate::envelope::sig_structure;
use crate::policy::AppraisalPolicy;
use crate::rejection::Rejection;
use crate::root::RootFingerprint;

/// A document that hardware under the pinned root signed. Only
/// [`UnverifiedDocument::authenticate`] makes one.
#[derive(Debug)]
#[must_use = "an authentic document is not yet an appraised enclave"]
pub struct AuthenticDocument {
    document: UnverifiedDocument,
    root: RootFingerprint,
    authenticated_at: UnixMillis,
}

impl UnverifiedDocument {
    /// Verifies the chain under the policy's root, and the signature under the chain's leaf, at the
    /// time `at`.
    ///
    /// # Errors
    /// [`Rejection::Chain`] or [`Rejection::Signature`].
    pub fn authenticate(
        self,
        policy: &AppraisalPolicy,
        at: UnixMillis,
    ) -> Result<AuthenticDocument, Rejection> {
        self.authenticate_by(policy, at, None)
    }

    /// As [`Self::authenticate`], for a caller with many documents of one machine: the signatures of
    /// the certificates above the leaf are verified once, and everything else each time.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn authenticate_with(
        self,
        policy: &AppraisalPolicy,
        at: UnixMillis,
        cache: &mut ChainCache,
    ) -> Result<AuthenticDocument, Rejection> {
        self.authenticate_by(policy, at, Some(cache))
    }

    fn authenticate_by(
        self,
        policy: &AppraisalPolicy,
        at: UnixMillis,
        cache: Option<&mut ChainCache>,
    ) -> Result<AuthenticDocument, Rejection> {
        // 4: the chain.
        let (cabundle, leaf) = (self.cabundle(), self.certificate());
        let key = verify_chain(policy.root(), cabundle, leaf, at, cache)?;
        // 5: ES384 over the Sig_structure. ring refuses r or s of zero or beyond the group's order.
        let message = sig_structure(&self.signed_payload).ok_or(Rejection::Signature)?;
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key.as_bytes())
            .verify(&message, &self.signature)
            .map_err(|_| Rejection::Signature)?;
        Ok(AuthenticDocument {
            document: self,
            root: policy.root().fingerprint(),
            authenticated_at: at,
        })
    }
}

impl AuthenticDocument {
    /// The document's content, now known to come from the NSM.
    #[must_use]
    pub fn document(&self) -> &UnverifiedDocument {
        &self.document
    }

    /// The time at which chain and signature were judged.
    #[must_use]
    pub fn authenticated_at(&self) -> UnixMillis {
        self.authenticated_at
    }

    /// The root that the chain leads to.
    #[must_use]
    pub fn root(&self) -> RootFingerprint {
        self.root
    }
}
