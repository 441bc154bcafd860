//! Why a site does not seal, in words that whoever answers for the data can act on.

use sealsum_protocol::RoundId;

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
        "this data set's budget is spent: {used} contributions count, the policy's budget.contributions is {budget}; a contribution that is proven to be in no sum comes back by `sealsum ledger refund`"
    )]
    BudgetSpent {
        /// By the policy.
        budget: u32,
        /// In the ledger.
        used: u32,
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
    /// The number of the round that is refused.
    pub round_number: u64,
    /// Unproven retries that the policy allows the task.
    pub allowed: u32,
    /// Unproven retries that the task has used.
    pub retries: u32,
}

impl core::fmt::Display for SpentBefore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let earlier = &self.earlier;
        let shared = if earlier.round_number == self.round_number {
            format!("round {} of task {}", earlier.round_number, earlier.task)
        } else {
            format!("the same base model of task {}", earlier.task)
        };
        write!(
            f,
            "this site already sealed a contribution for {shared} (round id {}, {}); nothing was sent now. ",
            earlier.round_id, earlier.state
        )?;
        if earlier.state == RecordState::Summed {
            return f.write_str(
                "A receipt proves that it is in a released sum: a second sum with it could be subtracted from the first and show this site's update. It is never repeated.",
            );
        }
        write!(
            f,
            "Nothing proves that the first attempt let nothing out: whoever holds a sum with this site's update and a second one could subtract the two and learn what this site sent. \
             If that round was aborted, or ended without this site, its proof frees it: `sealsum ledger refund`. \
             If its enclave is lost, no proof can ever come; whoever answers for the data may then accept that risk by the policy's line `unproven_retries = {}` (now {}, {} used for this task).",
            self.retries.saturating_add(1),
            self.allowed,
            self.retries
        )
    }
}
