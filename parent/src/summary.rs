//! A round as the operator is shown it. Nothing in it is secret or proven.

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{AggregationRule, Intake, KemSuite, RingBits, TaskName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A round's summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundSummary {
    /// 64 hexadecimal characters.
    pub round_id: String,
    /// The task.
    #[schema(value_type = String)]
    pub task: TaskName,
    /// The round's number in its task, as the operator counts.
    pub round_number: u64,
    /// `collecting`, `releasing`, `released`, `aborted` or `lost`.
    #[schema(value_type = String)]
    pub phase: Phase,
    /// `stream` or `presum`.
    #[schema(value_type = String)]
    pub intake: Intake,
    /// `x-wing` or `x25519`.
    #[schema(value_type = String)]
    pub kem: KemSuite,
    /// `sum`, `mean` or `weighted_mean`.
    #[schema(value_type = String)]
    pub rule: AggregationRule,
    /// d.
    pub dimension: u64,
    /// k.
    #[schema(value_type = u8)]
    pub ring_bits: RingBits,
    /// Smallest cohort that is released.
    pub min_cohort: u32,
    /// Largest cohort that is accepted.
    pub max_cohort: u32,
    /// Contributions accepted.
    pub contributions: u64,
    /// Clients in the sum, once the cohort is fixed.
    pub cohort_size: Option<u32>,
    /// At how many contributions it closes by itself.
    pub target_cohort: Option<u32>,
    /// When it closes by itself at the latest, in seconds since 1970.
    pub closes_at: Option<u64>,
    /// Bytes that crossed the enclave's boundary for this round, in both directions,
    /// questions about its phase apart.
    pub boundary_bytes: u64,
}
