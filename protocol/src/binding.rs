//! The binding: everything about a round that a client relies on (I5).

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::ids::ReceiptKey;
use crate::ids::RoundId;
use crate::params::SignedRoundParams;
use crate::{canonical, label};

/// What the evidence vouches for. Its digest is the round's id, which the evidence
/// carries as user data and every derived key has in it: clients that were shown
/// different bindings derive unrelated masks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundBinding {
    /// Protocol version: 1.
    pub version: u16,
    /// The parameters, with the operator's signature.
    pub params: SignedRoundParams,
    /// The round's public key: 1216 bytes (X-Wing) or 32 (X25519); the parameters say which.
    pub kem_key: ByteBuf,
    /// The round's receipt key.
    pub receipt_key: ReceiptKey,
}

impl RoundBinding {
    /// The round's id.
    #[must_use]
    pub fn round_id(&self) -> RoundId {
        RoundId::new(
            *label::ROUND_BINDING
                .digest(&[&canonical::encode(self)])
                .as_bytes(),
        )
    }
}
