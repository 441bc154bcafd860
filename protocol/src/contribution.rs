//! What one client sends: a header with the sealed part, and the masked update beside it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::encapsulation::SEALED_HEADER_BYTES;
use crate::ids::{ClientId, Digest, RoundId};
use crate::label::{self, Label};
use crate::merkle::PATH_LIMIT;
use crate::params::{Admission, RoundTerms};
use crate::registry::is_admitted;
use crate::signature::{ClientSigner, Signature, Statement};
use crate::{Commitment, canonical};

/// The header of a contribution. Public: all that is secret in it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContributionHeader {
    /// The round that it is for.
    pub round_id: RoundId,
    /// The client that it is from.
    pub client: ClientId,
    /// 1120 bytes (X-Wing) or 32 (X25519).
    pub encapsulated_key: ByteBuf,
    /// Root over the masked update's blocks.
    pub commitment: Commitment,
    /// The weight, sealed to the enclave: 20 bytes.
    pub sealed: ByteBuf,
    /// Proof of admission; absent under open admission.
    pub credential: Option<Credential>,
}

impl ContributionHeader {
    /// The digest of the contribution: the commitment in it covers the body. The
    /// credential is left out: it shows who may send this, and is no part of what is
    /// summed, so another credential does not make another contribution.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let bare = Self {
            credential: None,
            ..self.clone()
        };
        label::CONTRIBUTION.digest(&[&canonical::encode(&bare)])
    }

    /// Whether its parts have the lengths of a header of such a round, and a credential stands in
    /// it only if one belongs there. Says nothing of what is in them.
    #[must_use]
    pub fn has_shape(&self, terms: &RoundTerms) -> bool {
        let credential = match &self.credential {
            Some(credential) => {
                terms.admission != Admission::Open && credential.path.len() <= PATH_LIMIT
            }
            None => true,
        };
        self.encapsulated_key.len() == terms.kem.encapsulated_key_bytes()
            && self.sealed.len() == SEALED_HEADER_BYTES
            && credential
    }

    /// Signs the contribution for a registry round. `index` and `path` are the client's
    /// place in the registry.
    #[must_use]
    pub fn with_credential(self, signer: &ClientSigner, index: u64, path: Vec<Digest>) -> Self {
        let signature = signer.sign(&Presented {
            header: &self,
            index,
            path: &path,
        });
        Self {
            credential: Some(Credential {
                index,
                path,
                signature,
            }),
            ..self
        }
    }

    /// Checks that the client's key is in the registry of `size` keys under `root`, and
    /// that it signed this very contribution.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn verify_credential(&self, root: &Digest, size: u64) -> Result<(), CredentialError> {
        let credential = self.credential.as_ref().ok_or(CredentialError::Missing)?;
        if !is_admitted(&self.client, credential.index, &credential.path, root, size) {
            return Err(CredentialError::NotAdmitted);
        }
        self.client
            .verify(
                &Presented {
                    header: self,
                    index: credential.index,
                    path: &credential.path,
                },
                &credential.signature,
            )
            .map_err(|_| CredentialError::Signature)
    }
}

/// What a client signs of its contribution: all of it, and its place in the registry.
struct Presented<'a> {
    header: &'a ContributionHeader,
    index: u64,
    path: &'a [Digest],
}

impl Serialize for Presented<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            client: &'a ClientId,
            encapsulated_key: &'a ByteBuf,
            commitment: &'a Commitment,
            sealed: &'a ByteBuf,
            index: u64,
            path: &'a [Digest],
        }
        let header = self.header;
        Fields {
            client: &header.client,
            encapsulated_key: &header.encapsulated_key,
            commitment: &header.commitment,
            sealed: &header.sealed,
            index: self.index,
            path: self.path,
        }
        .serialize(serializer)
    }
}

impl Statement for Presented<'_> {
    const LABEL: Label = label::CREDENTIAL;

    fn round_id(&self) -> RoundId {
        self.header.round_id
    }
}

/// Why a credential does not count. The client, or whoever uses its id, is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// A registry round, and no credential.
    #[error("the round admits a registry's keys, and the contribution has no credential")]
    Missing,
    /// The path does not lead from this key to the registry's root.
    #[error("this client's key is not in the round's registry at that place")]
    NotAdmitted,
    /// Not signed by this client's key.
    #[error("the contribution is not signed by its client's key")]
    Signature,
}

/// Proof that a client's key is in the round's registry, and that it sent this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The key's place in the registry.
    pub index: u64,
    /// The path from there to the registry's root.
    pub path: Vec<Digest>,
    /// By the client's key, over RoundId, the header's other fields, index and path, under
    /// [`label::CREDENTIAL`].
    pub signature: Signature,
}

/// A masked update: d elements of k bits, packed. To anyone without the mask it is noise.
#[derive(Clone, PartialEq, Eq)]
pub struct MaskedUpdate(pub Vec<u8>);
