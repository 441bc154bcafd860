//! What the enclave says about itself and its rounds. Nothing here is evidence.

use serde::{Deserialize, Serialize};

use crate::ids::RoundId;

/// An enclave's limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Protocol version.
    pub version: u16,
    /// The memory that rounds may take together, in bytes.
    pub memory_ceiling: u64,
    /// Of that, what open rounds have reserved.
    pub memory_reserved: u64,
    /// Rounds that are not over.
    pub open_rounds: u32,
}

/// Ask for a round's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The round.
    pub round_id: RoundId,
}

/// A round's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundStatus {
    /// Its phase.
    pub phase: Phase,
    /// Contributions accepted.
    pub contributions: u32,
}

/// The phases of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Takes contributions.
    Collecting,
    /// The cohort is fixed; blocks go out.
    Releasing,
    /// The receipt is signed.
    Released,
    /// Ended with nothing released; there is an abort receipt.
    Aborted,
    /// Keys gone without a receipt: a time-out in the middle of a release, or another enclave.
    Lost,
}

impl core::fmt::Display for Phase {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Collecting => "collecting",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Aborted => "aborted",
            Self::Lost => "lost",
        })
    }
}
