//! The end of a released round: its receipt, then erasure.

use serde::{Deserialize, Serialize};

use crate::ids::RoundId;

/// Give the receipt; every block has been released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// The round.
    pub round_id: RoundId,
}

/// Aggregate and receipt are stored: the round's seeds and sums can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// The round.
    pub round_id: RoundId,
}
