//! Opening a round: parameters in, the round's keys out.

use serde::{Deserialize, Serialize};

use crate::binding::RoundBinding;
use crate::params::SignedRoundParams;

/// Open a round under these parameters. Asked twice, it opens two unrelated rounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRound {
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
