//! Why something about a round was not done.

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{OperatorKey, Refusal};

use crate::enclave_link::LinkError;
use crate::schedule::ScheduleError;
use crate::storage::StorageError;

/// Why something about a round was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoundError {
    /// The round's phase does not have this. The caller is too early or too late.
    #[error("the round is {0}, which does not allow this")]
    Phase(Phase),
    /// The enclave has lost the round's keys; nothing can bring it back.
    #[error(
        "the enclave that had this round's keys is gone or ran out of time in a release: the round is lost, with neither a receipt nor an abort receipt, and stays spent for its clients"
    )]
    Lost,
    /// It was over for longer than rounds are kept.
    #[error(
        "this parent has no such round, or removed it: it keeps none for longer than its operator says"
    )]
    Removed,
    /// The client already has another contribution in.
    #[error("this client already has another contribution in this round")]
    SecondContribution,
    /// The cohort is full.
    #[error("the round already has its max_cohort of {0} contributions")]
    Full(u32),
    /// As many uploads wait for the enclave as the round can take.
    #[error("as many uploads of this round wait for the enclave as it can take; try again")]
    Crowded,
    /// Parameters of an operator that this parent was not told of.
    #[error(
        "this parent opens rounds of the operators that it was started with, and {0} is none of them"
    )]
    OtherOperator(OperatorKey),
    /// Masked updates of these parameters are larger than this parent takes.
    #[error(
        "a masked update of this round has {found} bytes, this parent takes up to {limit} (limits.masked_update_mib)"
    )]
    TooLarge {
        /// Bytes by the parameters.
        found: u64,
        /// The parent's limit.
        limit: u64,
    },
    /// More stored uploads are damaged than a close can name.
    #[error("{0} stored uploads are lost or damaged, a close can name 1024; abort the round")]
    TooManyExclusions(usize),
    /// Stored aggregate and receipt disagree: the parent's disk or the enclave is at fault.
    #[error(
        "the stored aggregate is not the one of the enclave's receipt; close again to repeat the release"
    )]
    OtherAggregate,
    /// The sum that the round was closed with can't be made again.
    #[error(
        "the stored sum is damaged and the uploads no longer give the one that the round was closed with"
    )]
    DamagedSum,
    /// The enclave is further than storage, which therefore is not what it was.
    #[error(
        "the enclave has closed or released this round already, and the parent's storage no longer has what came of it: it was rolled back or edited. Nothing is released a second time. Put back the storage as it was then, and close again"
    )]
    RolledBack,
    /// Another parent has the lease of what is to be written.
    #[error("another parent that shares this one's store works this; ask again in a moment")]
    Elsewhere,
    /// A statement of the enclave that its own receipt key did not sign.
    #[error("the enclave's {0} is not signed by the round's receipt key")]
    Unsigned(&'static str),
    /// The schedule does not take this.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The work was cut short by a fault of the parent's own.
    #[error("the parent failed in the middle of this; ask again")]
    Interrupted,
    /// The enclave did not answer, or refused.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl RoundError {
    /// Not possible in this phase.
    pub(crate) const fn from_phase(phase: Phase) -> Self {
        match phase {
            Phase::Lost => Self::Lost,
            phase => Self::Phase(phase),
        }
    }

    /// The enclave's refusal, if that is what this is.
    pub(crate) const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Link(LinkError::Refused(refusal)) => Some(*refusal),
            _ => None,
        }
    }
}
