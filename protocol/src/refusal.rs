//! Refusals: what the enclave says when it declines a command.
//!
//! A refusal depends on public things only: message shapes, phases, counts, ids.
//! The five that depend on what a contribution hides (I14) are single-shot: an
//! honest client never triggers them, and each burns the client's id for the round.

use serde::{Deserialize, Serialize};

use crate::messages::Phase;

/// Why a command was declined. `code()` is stable; the text may improve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// Not a canonical message of protocol version 1.
    #[error("not a canonical message of protocol version 1")]
    Malformed,
    /// The operator's signature on the parameters does not verify.
    #[error("the operator's signature on the parameters does not verify")]
    OperatorSignature,
    /// The parameters ask for noise, which this version does not add.
    #[error(
        "these parameters ask for noise, which this enclave version does not add; nothing less private is done instead"
    )]
    NoiseUnsupported,
    /// The round does not fit the enclave's memory.
    #[error(
        "the round needs {needed} bytes of enclave memory, {available} are free; lower the dimension or max_cohort, use presum, or end other rounds"
    )]
    Memory {
        /// Bytes that the round needs.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// Too many rounds are open.
    #[error("this enclave keeps at most {limit} rounds open")]
    TooManyRounds {
        /// The limit.
        limit: u32,
    },
    /// The enclave shuts down; it opens no more rounds.
    #[error("this enclave is shutting down and opens no more rounds; open one in the next")]
    ShuttingDown,
    /// No such round here.
    #[error("this enclave has no such round; if it restarted, the round is lost")]
    UnknownRound,
    /// The round's phase does not take this command.
    #[error("the round is {phase}, which does not take this command")]
    WrongPhase {
        /// The phase that it is in.
        phase: Phase,
    },
    /// A field of the header has a length that no contribution of this round has.
    #[error("the contribution's header does not have this round's shape")]
    HeaderShape,
    /// The credential is missing, of a key outside the registry, or not signed by it.
    #[error(
        "the contribution's credential does not show a key of the round's registry that signed it"
    )]
    Credential,
    /// The cohort is full.
    #[error("the round already has its max_cohort of {limit} contributions")]
    CohortFull {
        /// The parameters' maximum.
        limit: u32,
    },
    /// This client already has another contribution in the round.
    #[error("this client already has another contribution in this round")]
    SecondContribution,
    /// The encapsulated key was seen before.
    #[error("this encapsulated key was used before in this round")]
    RepeatedKey,
    /// This id was burned by an earlier refusal.
    #[error("an earlier contribution of this client was refused for good in this round")]
    Burned,
    /// Single-shot: the sealed header does not open.
    #[error("the sealed header does not open in this round, for this client, with this commitment")]
    DoesNotOpen,
    /// Single-shot: the blocks are not those of the commitment.
    #[error("the masked update is not the one that its commitment names")]
    CommitmentMismatch,
    /// Single-shot: padding bits that are not zero.
    #[error("the masked update has padding bits that are not zero")]
    Padding,
    /// Single-shot: a weight above the bound.
    #[error("the sealed weight is not within 1 and the round's max_weight")]
    WeightAboveBound,
    /// Single-shot: an element or the norm above its bound.
    #[error("the update exceeds the round's bound on elements or norm")]
    NormAboveBound,
    /// A block came that is not the one awaited.
    #[error("no block of this contribution is awaited, or block {next} is")]
    NotStaging {
        /// The block awaited; 0 if none is.
        next: u64,
    },
    /// A block of the wrong length.
    #[error("this block has {expected} bytes by the parameters")]
    BlockLength {
        /// Bytes by the parameters.
        expected: u64,
    },
    /// The staging area is taken.
    #[error("another contribution is being staged; try again shortly")]
    Busy,
    /// The intake does not have this.
    #[error(
        "the round's intake does not take this: sum_root, exclusions and paths belong to presum, blocks of contributions to stream"
    )]
    WrongIntake,
    /// The cohort is below the minimum.
    #[error("the cohort has {size} clients, {minimum} are the minimum; wait for more or abort")]
    CohortTooSmall {
        /// Clients in it.
        size: u32,
        /// The round's minimum.
        minimum: u32,
    },
    /// The parent expects another cohort.
    #[error("the enclave's cohort is not the one that the close expects; look again and repeat")]
    CohortMismatch,
    /// The exclusions are not sorted, not distinct, too many, or not accepted clients.
    #[error("exclusions are accepted clients, sorted, each once, at most 1024")]
    Exclusions,
    /// The round was closed otherwise.
    #[error("the round was closed with another cohort or sum")]
    OtherClose,
    /// The block is not under the sum root.
    #[error("this is not that block of the sum that the round was closed with")]
    NotOfTheSum,
    /// No such block, or asked for too often.
    #[error("there is no such block, or it was released three times already")]
    NoMoreOfThisBlock,
    /// Blocks are still to be released.
    #[error("{missing} blocks are still to be released before the receipt")]
    Unreleased {
        /// How many.
        missing: u64,
    },
    /// The enclave's device failed.
    #[error("the enclave's security module did not answer; try again")]
    Device,
}

impl Refusal {
    /// The stable code, as in docs/PROTOCOL.md.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OperatorSignature => "operator_signature",
            Self::NoiseUnsupported => "noise_unsupported",
            Self::Credential => "credential",
            Self::Memory { .. } => "memory",
            Self::TooManyRounds { .. } => "too_many_rounds",
            Self::ShuttingDown => "shutting_down",
            Self::UnknownRound => "unknown_round",
            Self::WrongPhase { .. } => "wrong_phase",
            Self::HeaderShape => "header_shape",
            Self::CohortFull { .. } => "cohort_full",
            Self::SecondContribution => "second_contribution",
            Self::RepeatedKey => "repeated_key",
            Self::Burned => "burned",
            Self::DoesNotOpen => "does_not_open",
            Self::CommitmentMismatch => "commitment_mismatch",
            Self::Padding => "padding",
            Self::WeightAboveBound => "weight_above_bound",
            Self::NormAboveBound => "norm_above_bound",
            Self::NotStaging { .. } => "not_staging",
            Self::BlockLength { .. } => "block_length",
            Self::Busy => "busy",
            Self::WrongIntake => "wrong_intake",
            Self::CohortTooSmall { .. } => "cohort_too_small",
            Self::CohortMismatch => "cohort_mismatch",
            Self::Exclusions => "exclusions",
            Self::OtherClose => "other_close",
            Self::NotOfTheSum => "not_of_the_sum",
            Self::NoMoreOfThisBlock => "no_more_of_this_block",
            Self::Unreleased { .. } => "unreleased",
            Self::Device => "device",
        }
    }
}
