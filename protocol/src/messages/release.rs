//! Releasing the aggregate, block by block.

use serde::{Deserialize, Serialize};

use crate::ids::{Digest, RoundId};

/// Release one block. In `presum` the frame's body is the summed masked block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBlock {
    /// The round.
    pub round_id: RoundId,
    /// Which block.
    pub index: u64,
    /// In `presum`, the path from the block to the close's sum root; else empty.
    pub path: Vec<Digest>,
}

/// One block of the aggregate; the frame's body is the packed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasedBlock {
    /// Which block.
    pub index: u64,
}
