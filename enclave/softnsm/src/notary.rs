//! Signs payloads under a leaf, whatever they say: the part of an NSM that
//! holds the key. The NSM proper decides what a payload says.

use std::sync::Arc;
use std::time::Duration;

use crate::certificate::{self, IssueError};
use crate::chain::Chain;
use crate::cose;
use crate::module_id::ModuleId;
use crate::root::{RootAuthority, RootKey};

/// A leaf key and the chain above it, for one module.
pub struct Notary {
    root: Arc<RootKey>,
    module: ModuleId,
    leaf_backdated_s: u64,
    chain: Chain,
}

/// The certificates that vouch for a notary's key, DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Of the key that signs.
    pub leaf: Vec<u8>,
    /// Root, regional, zonal, instance: as a document's `cabundle` has them.
    pub cabundle: Vec<Vec<u8>>,
}

impl Notary {
    /// A fresh chain under `root` for `module`, as of `now_ms`.
    ///
    /// # Errors
    /// When the time is none that a certificate can say, or the system has no
    /// randomness.
    pub fn new(root: &RootAuthority, module: &ModuleId, now_ms: u64) -> Result<Self, IssueError> {
        Self::with_backdated_leaf(root, module, now_ms, Duration::ZERO)
    }

    /// The same, but each leaf has the window of one issued `backdated` ago:
    /// past 3 h it has expired, while its issuers have not.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_backdated_leaf(
        root: &RootAuthority,
        module: &ModuleId,
        now_ms: u64,
        backdated: Duration,
    ) -> Result<Self, IssueError> {
        let root = root.shared();
        let leaf_backdated_s = backdated.as_secs();
        let now_s = certificate::seconds(now_ms)?;
        let chain = Chain::issue(&root, module, now_s, leaf_backdated_s)?;
        Ok(Self {
            root,
            module: module.clone(),
            leaf_backdated_s,
            chain,
        })
    }

    /// Issues anew the certificates that near their end at `now_ms`; the leaf 40
    /// minutes before it.
    ///
    /// # Errors
    /// As [`new`](Self::new); then everything is as it was.
    pub fn renew(&mut self, now_ms: u64) -> Result<(), IssueError> {
        let now_s = certificate::seconds(now_ms)?;
        self.chain
            .renew(&self.root, &self.module, now_s, self.leaf_backdated_s)
    }

    /// Leaf and issuers, as of the last renewal.
    pub fn certificates(&self) -> Certificates {
        let below = self.chain.intermediates();
        Certificates {
            leaf: self.chain.leaf().der.clone(),
            cabundle: std::iter::once(self.root.der.as_slice())
                .chain(below)
                .map(<[u8]>::to_vec)
                .collect(),
        }
    }

    /// A COSE_Sign1 over exactly these payload bytes.
    ///
    /// # Errors
    /// Only when the system has no randomness to sign with.
    pub fn sign_payload(&self, payload: &[u8]) -> Result<Vec<u8>, IssueError> {
        let signature = self.sign(&cose::to_be_signed(payload))?;
        Ok(cose::envelope(payload, &signature))
    }

    /// ES384 over exactly these bytes, 96 bytes: for tests that need an envelope
    /// that [`sign_payload`](Self::sign_payload) would not make.
    ///
    /// # Errors
    /// As above.
    pub fn sign(&self, to_be_signed: &[u8]) -> Result<Vec<u8>, IssueError> {
        let key = &self.chain.leaf().key;
        key.sign(to_be_signed).map_err(|_| IssueError::Entropy)
    }
}

#[cfg(test)]
mod tests;
