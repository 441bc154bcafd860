//! What a client is shown when it asks to join a round.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::binding::RoundBinding;
use crate::nonce::NoncePath;

/// A round on offer: a claim until its evidence is appraised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundOffer {
    /// What the evidence should vouch for.
    pub binding: RoundBinding,
    /// An attestation document, as the NSM signed it.
    pub evidence: ByteBuf,
    /// How the client's nonce leads to the document's.
    pub nonce_path: NoncePath,
}

/// A round's binding with evidence kept for later: enough to check receipts by, and
/// not enough to seal under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundEvidence {
    /// What the evidence vouches for.
    pub binding: RoundBinding,
    /// An attestation document that was fresh while the round was collecting.
    pub evidence: ByteBuf,
}

/// Longest encoding of an offer that a client reads, in bytes: the evidence has at
/// most 16 KiB of payload, the rest is a few KiB.
pub const OFFER_LIMIT: usize = 64 * 1024;
