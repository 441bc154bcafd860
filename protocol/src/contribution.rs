//! What one client sends: a header with the sealed part, and the masked update beside it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::ids::{ClientId, Digest, RoundId};
use crate::signature::Signature;
use crate::{Commitment, canonical, label};

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
    /// The digest of the whole contribution: the commitment in it covers the body.
    #[must_use]
    pub fn digest(&self) -> Digest {
        label::CONTRIBUTION.digest(&[&canonical::encode(self)])
    }
}

/// Proof that a client's key is in the round's registry, and that it sent this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The key's place in the registry.
    pub index: u64,
    /// The path from there to the registry's root.
    pub path: Vec<Digest>,
    /// By the client's key, over RoundId, client id, encapsulated key, commitment and
    /// sealed bytes under [`label::CREDENTIAL`].
    pub signature: Signature,
}

/// A masked update: d elements of k bits, packed. To anyone without the mask it is noise.
#[derive(Clone, PartialEq, Eq)]
pub struct MaskedUpdate(pub Vec<u8>);
