//! Opening a round: parameters in, the round's keys out.

use serde::{Deserialize, Serialize};

use crate::binding::RoundBinding;
use crate::ids::OpeningId;
use crate::params::SignedRoundParams;

/// Open a round under these parameters. An opening gives one round, however often it is asked
/// for: a parent that missed the reply, or was killed, loses none. Another opening of the same
/// parameters is an unrelated round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRound {
    /// Which opening this is.
    pub opening: OpeningId,
    /// The parameters with the operator's signature.
    pub params: SignedRoundParams,
}

/// The round is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Parameters and the round's fresh keys; its digest is the RoundId.
    pub binding: RoundBinding,
}
