//! Ending a round with nothing released.

use serde::{Deserialize, Serialize};

use crate::ids::RoundId;

/// End a collecting round. Asked again, it gives the same abort receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// The round.
    pub round_id: RoundId,
}
