//! The end of a round: its record, and no key, seed or sum any more (I3).

use sealsum_protocol::Signed;
use sealsum_protocol::messages::Phase;
use sealsum_protocol::receipt::{AbortReceipt, Receipt};

use super::Round;

/// What is left of a round.
pub(crate) enum Ended {
    /// The receipt, for a parent that asks again.
    Released(Box<Signed<Receipt>>),
    /// The abort receipt, likewise.
    Aborted(Signed<AbortReceipt>),
    /// A release that was not finished in time.
    Lost,
}

impl Ended {
    /// The end of a round whose time to release is over: with its receipt if that was
    /// signed, lost if not. Dropping the round erases it.
    pub(crate) fn overdue(round: Round) -> Self {
        match round {
            Round::Releasing(releasing) => releasing.into_overdue(),
            Round::Ended(ended) => ended,
            Round::Collecting(_) => Self::Lost,
        }
    }

    pub(crate) const fn phase(&self) -> Phase {
        match self {
            Self::Released(_) => Phase::Released,
            Self::Aborted(_) => Phase::Aborted,
            Self::Lost => Phase::Lost,
        }
    }

    pub(crate) fn contributions(&self) -> u32 {
        match self {
            Self::Released(receipt) => receipt.unverified().cohort_size,
            Self::Aborted(receipt) => receipt.unverified().discarded,
            Self::Lost => 0,
        }
    }
}
