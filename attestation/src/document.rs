//! The attestation document, parsed and believed by nobody yet (checklist 1 to 3).
//!
//! What can be read off it here is what the sender claims. It is for showing, and for deciding
//! which policy to try; trust starts with [`UnverifiedDocument::authenticate`].

use sealsum_protocol::UnixMillis;

use crate::envelope::Envelope;
use crate::payload::Payload;
use crate::pcr::{Measurement, Pcr, PcrIndex};
use crate::rejection::Rejection;

/// A well-formed attestation document of unknown origin.
#[derive(Debug, Clone)]
pub struct UnverifiedDocument {
    pub(crate) payload: Payload,
    /// The payload as it was signed.
    pub(crate) signed_payload: Vec<u8>,
    /// r and s, 48 bytes each.
    pub(crate) signature: Vec<u8>,
}

impl UnverifiedDocument {
    /// Reads a document: COSE_Sign1 around a CBOR map, in the one shape that hardware sends.
    ///
    /// A declared length allocates nothing. With an input of at most 64 KiB, parsing and
    /// authenticating hold at most 128 KiB beside it, and verify at most 8 signatures: one for each
    /// certificate below the root, and the document's. Both are measured by tests.
    ///
    /// # Errors
    /// [`Rejection::Envelope`] or [`Rejection::Payload`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Rejection> {
        let envelope = Envelope::parse(bytes)?;
        let payload = Payload::parse(envelope.payload)?;
        Ok(Self {
            payload,
            signed_payload: envelope.payload.to_vec(),
            signature: envelope.signature.to_vec(),
        })
    }

    /// The enclave's id: instance id, `-enc`, enclave number.
    #[must_use]
    pub fn module_id(&self) -> &str {
        &self.payload.module_id
    }

    /// The parent instance's id, if the module id has the usual form.
    #[must_use]
    pub fn instance_id(&self) -> Option<&str> {
        self.module_id().split_once("-enc").map(|(id, _)| id)
    }

    /// When the document says that it was signed.
    #[must_use]
    pub fn timestamp(&self) -> UnixMillis {
        UnixMillis(self.payload.timestamp)
    }

    /// The registers that the document reports.
    #[must_use]
    pub fn measurement(&self) -> &Measurement {
        &self.payload.measurement
    }

    /// Whether PCR4 is that of the instance in the module id, as on all hardware seen: SHA-384 over
    /// 48 zero bytes and the id's ASCII. `None` where one of them is missing.
    #[must_use]
    pub fn pcr4_agrees(&self) -> Option<bool> {
        let pcr4 = self.measurement().pcr(PcrIndex::INSTANCE_ID)?;
        let instance = self.instance_id()?;
        Some(*pcr4 == Pcr::extended_once(instance.as_bytes()))
    }

    /// The leaf certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.payload.certificate
    }

    /// The certificates above the leaf, DER, root first.
    #[must_use]
    pub fn cabundle(&self) -> &[Vec<u8>] {
        &self.payload.cabundle
    }

    /// The field `public_key`: `None` if null or absent.
    #[must_use]
    pub fn public_key(&self) -> Option<&[u8]> {
        self.payload.public_key.as_deref()
    }

    /// The field `user_data`: `None` if null or absent.
    #[must_use]
    pub fn user_data(&self) -> Option<&[u8]> {
        self.payload.user_data.as_deref()
    }

    /// The field `nonce`: `None` if null or absent.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.payload.nonce.as_deref()
    }
}
