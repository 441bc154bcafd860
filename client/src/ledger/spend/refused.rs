//! Why a site does not seal, in words that whoever answers for the data can act on.

use sealsum_protocol::{Digest, RoundId, RoundTerms};

use crate::ledger::{LedgerError, Record, RecordState};

/// Why this site does not seal for a round. Nothing was recorded or sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpendRefused {
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A mock's round on a real ledger, or the other way round.
    #[error("this is the ledger for {ledger} rounds, the round's trust is {round}")]
    OtherTrust {
        /// Of the ledger.
        ledger: &'static str,
        /// Of the round.
        round: &'static str,
    },
    /// This very round has a contribution, whose stored bytes are to be sent again.
    #[error("round {0} has a sealed contribution of this site, which is never made anew")]
    SealedBefore(RoundId),
    /// The authority has signed a later registry, and this site sealed under it.
    #[error(
        "the round's registry is of epoch {offered}, and this site has sealed under epoch {seen} of the same task and authority: an old registry may admit keys that were removed since. Nothing was sent; ask for a round under the current registry"
    )]
    OldEpoch {
        /// The highest sealed under.
        seen: u64,
        /// The round's.
        offered: u64,
    },
    /// The data set's budget is used up.
    #[error(
        "this data set's budget is spent: {used} of the {budget} that the policy's budget.contributions allows; a contribution that is proven to be in no sum comes back by `sealsum ledger refund`"
    )]
    BudgetSpent {
        /// By the policy.
        budget: u32,
        /// In the ledger.
        used: u32,
    },
    /// The model in hand is not the one that the terms were accepted for.
    #[error("the round's base model is {round}, the one given is {given}")]
    OtherModel {
        /// By the terms.
        round: Digest,
        /// In hand.
        given: Digest,
    },
    /// The round's number or base model is spent.
    #[error("{0}")]
    SpentBefore(Box<SpentBefore>),
}

/// A round whose number or base model is spent by an earlier contribution.
#[derive(Debug)]
pub struct SpentBefore {
    /// What spent it.
    pub earlier: Record,
    /// What the two rounds have in common.
    pub shared: Shared,
    /// Unproven retries that the policy allows the task.
    pub allowed: u32,
    /// Unproven retries that the task has used.
    pub retries: u32,
}

/// What a round shares with an earlier one of its task, so that two sums could be subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Its number.
    RoundNumber,
    /// Its base model.
    BaseModel,
    /// Its base model's file, of which other tensors were selected.
    ModelFile,
}

impl Shared {
    /// `round_number`, `base_model` or `model_file`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundNumber => "round_number",
            Self::BaseModel => "base_model",
            Self::ModelFile => "model_file",
        }
    }

    pub(super) fn between(earlier: &Record, round: &RoundTerms) -> Self {
        if earlier.round_number == round.round_number {
            Self::RoundNumber
        } else if earlier.base_model == round.base_model {
            Self::BaseModel
        } else {
            Self::ModelFile
        }
    }
}

impl core::fmt::Display for SpentBefore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Record {
            round_id,
            task,
            round_number,
            state,
            ..
        } = &self.earlier;
        match self.shared {
            Shared::RoundNumber => write!(
                f,
                "this site already sealed a contribution for round {round_number} of task {task}"
            )?,
            Shared::BaseModel => write!(
                f,
                "this site already sealed a contribution for the same base model of task {task}, in round {round_number}"
            )?,
            Shared::ModelFile => write!(
                f,
                "this site already sealed a contribution for other tensors of the same base model file of task {task}, in round {round_number}; keep a task's --select and --exclude the same"
            )?,
        }
        write!(f, " (round id {round_id}, {state}). Nothing was sent now. ")?;
        if *state == RecordState::Summed {
            return f.write_str(
                "A receipt proves that it is in a released sum: a second sum with it could be subtracted from the first and show this site's update. It is never repeated; wait for the task's next round, on a new base model.",
            );
        }
        write!(
            f,
            "What became of it is not proven. If its sum was taken secretly, a second sum could be subtracted from the first, and the difference can show what this site's data looks like. \
             What helps: if that round was aborted, or ended without this site, its parent can prove it, and `sealsum ledger refund` then frees this round. \
             If its enclave is gone, there will never be a proof: skip this round and join the next one, on a new base model. \
             Only if whoever answers for the data accepts that the first sum may exist, the policy can allow one more attempt without proof: `unproven_retries = {}` (it is {} now, and {} used up in this task, for good).",
            self.retries.saturating_add(1),
            self.allowed,
            match self.retries {
                1 => "1 is".to_owned(),
                more => format!("{more} are"),
            }
        )
    }
}
