//! Why an update was not contributed, and whether anything left this site.

use core::fmt;

use sealsum_protocol::{EncodeError, RoundId, Schema};

use crate::join::JoinRefused;
use crate::ledger::{
    AcceptanceRefused, LedgerError, Record, RecordState, SpendRefused, SpentBefore,
};
use crate::parent::ParentError;
use crate::refund::RefundFailed;
use crate::seal::SealRefused;
use crate::update::{LayoutRefused, Place};

/// Why an update was not contributed, or not yet acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContributeRefused {
    /// Renewed evidence, or the parameters with it, are refused. Nothing was recorded or sent.
    #[error(transparent)]
    Join(#[from] JoinRefused),
    /// Another layout than the round's. Nothing was recorded or sent.
    #[error(transparent)]
    Layout(#[from] LayoutRefused),
    /// The update can't be encoded. Nothing was recorded or sent.
    #[error("the update can't be encoded, nothing was sent: {0}")]
    Encode(#[from] EncodeRefused),
    /// The round has a contribution of another update. Nothing was sent.
    #[error("{}", OtherUpdate(.0))]
    OtherUpdate(Box<Record>),
    /// An earlier round is in the way, and its proof was asked for in vain. Nothing was sent.
    #[error("{before} The parent was asked for that proof now: {failed}")]
    NotFreed {
        /// What is in the way.
        before: Box<SpentBefore>,
        /// Why it still is.
        failed: Box<RefundFailed>,
    },
    /// The ledger says that this is spent. Nothing was recorded or sent.
    #[error(transparent)]
    Spend(#[from] SpendRefused),
    /// Sealing was refused. Nothing was recorded or sent.
    #[error("nothing was sealed or sent: {0}")]
    Seal(#[from] SealRefused),
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The contribution is spent, and the parent did not take it, or not say so.
    #[error(
        "the contribution to round {round_id} is sealed and counts as spent, but its acceptance did not come: {error}. The command with `--round {round_id}` sends the same bytes again"
    )]
    Undelivered {
        /// The round.
        round_id: RoundId,
        /// What the parent did.
        error: ParentError,
    },
    /// The contribution is spent, and the acceptance that came does not hold.
    #[error(transparent)]
    Acceptance(#[from] AcceptanceRefused),
}

struct OtherUpdate<'a>(&'a Record);

impl fmt::Display for OtherUpdate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record {
            round_id,
            task,
            round_number,
            state,
            ..
        } = self.0;
        let what_stands = match state {
            RecordState::Sealed => {
                "it may have left this site, and the file that it was made of sends its stored bytes again"
            }
            RecordState::Accepted => "the enclave holds it",
            RecordState::Summed => "it is in the released sum",
            RecordState::Refunded => "it is in no sum",
        };
        write!(
            f,
            "this site sealed another update, or the same with another weight, for round {round_number} of task {task} (round id {round_id}), and a round takes one: {what_stands}. Nothing of the update given now was sent; keep it for the task's next round"
        )
    }
}

/// An update that can't be encoded, with the place in its file. Values are private and not named.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodeRefused {
    /// Why.
    pub error: EncodeError,
    /// The element at fault, if it is one.
    pub place: Option<Place>,
}

impl EncodeRefused {
    pub(super) fn of(error: EncodeError, schema: &Schema) -> Self {
        let place = match error {
            EncodeError::NotFinite { index } | EncodeError::BeyondClip { index, .. } => {
                Place::of(schema, index)
            }
            _ => None,
        };
        Self { error, place }
    }
}

impl fmt::Display for EncodeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, &self.place) {
            (EncodeError::NotFinite { .. }, Some(place)) => write!(
                f,
                "{place} is not a finite number; remove NaN and infinities from the update"
            ),
            (EncodeError::BeyondClip { clip, .. }, Some(place)) => write!(
                f,
                "{place} is beyond the round's clip of {clip}; clip the update, or allow clamping"
            ),
            (error, _) => error.fmt(f),
        }
    }
}

impl core::error::Error for EncodeRefused {}
