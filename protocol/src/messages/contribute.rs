//! Contributions into the enclave.

use serde::{Deserialize, Serialize};

use crate::contribution::ContributionHeader;
use crate::ids::{ClientId, RoundId};

/// A contribution's header. In `presum` that is all the enclave sees and it answers
/// with the acceptance; in `stream` the blocks follow on the same connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contribute {
    /// The header, as the client made it.
    pub header: ContributionHeader,
}

/// One block of the contribution being staged; the frame's body is the packed block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageBlock {
    /// The round.
    pub round_id: RoundId,
    /// The client whose contribution is staged.
    pub client: ClientId,
    /// Its index; blocks come in order.
    pub index: u64,
}

/// The staging area waits for this block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staging {
    /// The next block's index.
    pub next: u64,
}
