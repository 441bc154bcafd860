//! Closing a round: the cohort is fixed before anything leaves.

use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, Digest, RoundId};

/// Fix the cohort. The same close again gets the same reply; another is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// The round.
    pub round_id: RoundId,
    /// The cohort root that the parent expects, exclusions left out.
    pub cohort_root: Digest,
    /// Root over the summed blocks; in `presum` only.
    pub sum_root: Option<Digest>,
    /// Accepted clients whose stored body was lost; in `presum` only; sorted, each
    /// once, at most [`EXCLUSION_LIMIT`].
    pub excluded: Vec<ClientId>,
}

/// The cohort is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Distinct clients in it.
    pub cohort_size: u32,
    /// Blocks to release.
    pub blocks: u64,
}

/// As many ids as fit a frame's head, with room.
pub const EXCLUSION_LIMIT: usize = 1024;
