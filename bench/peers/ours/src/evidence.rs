//! What a client spends on an enclave's evidence: the document parsed, its chain of five
//! certificates and its signature verified. Comparisons with the policy cost nothing beside that.

use anyhow::Result;
use sealsum_attestation::{AppraisalPolicy, PolicyFile, UnverifiedDocument};
use sealsum_forge::{Document, NOW_MS, POLICIES, root_pem};
use sealsum_protocol::UnixMillis;

/// A document of AWS's shape, and who judges it.
pub(crate) struct Evidence {
    document: Vec<u8>,
    policy: AppraisalPolicy,
}

impl Evidence {
    /// Sound evidence under a root of its own.
    pub(crate) fn sound() -> Result<Self> {
        let (_, text) = POLICIES[0];
        Ok(Self {
            document: Document::sound().bytes(),
            policy: PolicyFile::parse(text)?.into_policy(Some(&root_pem()))?,
        })
    }

    /// Verifies it from nothing: no part of the chain is known from before.
    pub(crate) fn verify(&self) -> Result<()> {
        let parsed = UnverifiedDocument::parse(&self.document)?;
        let authentic = parsed.authenticate(&self.policy, UnixMillis(NOW_MS));
        Ok(authentic.map(drop)?)
    }
}
