//! Evidence for a round that is collecting.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::ids::{Digest, RoundId};

/// Give evidence with this nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attest {
    /// The round; its id becomes the evidence's user data.
    pub round_id: RoundId,
    /// One client's nonce, or the root over many ([`crate::nonce`]).
    pub nonce: Digest,
}

/// An attestation document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// As the NSM signed it.
    pub document: ByteBuf,
}
