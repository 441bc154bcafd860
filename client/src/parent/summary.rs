//! What the parent says about a round, for people and scripts. Nothing here is evidence.

use sealsum_protocol::messages::Phase;
use serde::{Deserialize, Serialize};

/// A round in the parent's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundSummary {
    /// The round's id, in hexadecimal.
    pub round_id: String,
    /// Its task.
    pub task: String,
    /// Its number in the task.
    pub round_number: u64,
    /// Its phase.
    pub phase: Phase,
    /// `stream` or `presum`.
    pub intake: String,
    /// `x-wing` or `x25519`.
    pub kem: String,
    /// The rule.
    pub rule: String,
    /// Elements of an update.
    pub dimension: u64,
    /// The ring's width in bits.
    pub ring_bits: u8,
    /// Smallest cohort that is released.
    pub min_cohort: u32,
    /// Largest cohort that is accepted.
    pub max_cohort: u32,
    /// Contributions accepted.
    pub contributions: u64,
    /// Clients in the sum, once it is released.
    pub cohort_size: Option<u32>,
    /// At how many contributions it closes by itself.
    #[serde(default)]
    pub target_cohort: Option<u32>,
    /// When it closes by itself at the latest, in seconds since 1970.
    #[serde(default)]
    pub closes_at: Option<u64>,
    /// Bytes that have crossed the enclave's boundary for this round.
    pub boundary_bytes: u64,
}
