//! Fetching the proof that frees a spent round. The parent only relays it; the ledger judges it.

use sealsum_protocol::RoundId;

use crate::ledger::{Ledger, RefundRefused};
use crate::parent::{Parent, ParentError};

/// What freed a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundProof {
    /// The enclave's word that the round was aborted and its keys erased.
    AbortReceipt,
    /// The round's receipt, and a proof that this site is not in its cohort.
    Exclusion,
}

impl RefundProof {
    /// `abort_receipt` or `exclusion`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AbortReceipt => "abort_receipt",
            Self::Exclusion => "exclusion",
        }
    }

    /// The same, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::AbortReceipt => "its abort receipt",
            Self::Exclusion => "the proof that this site is not in its sum",
        }
    }
}

/// Asks the parent for an abort receipt, then for receipt and cohort proof, and frees the round by
/// whichever holds.
///
/// # Errors
/// [`RefundFailed`]; the ledger is as it was.
pub async fn refund(
    parent: &Parent,
    ledger: &mut Ledger,
    round_id: &RoundId,
) -> Result<RefundProof, RefundFailed> {
    if ledger
        .record(round_id)
        .map_err(RefundRefused::from)?
        .is_none()
    {
        return Err(RefundRefused::Unknown(*round_id).into());
    }
    match parent.abort_receipt(round_id).await {
        Ok(receipt) => {
            ledger.refund_by_abort(round_id, &receipt)?;
            return Ok(RefundProof::AbortReceipt);
        }
        // No abort receipt: the round may have been released without this site.
        Err(ParentError::Problem {
            status: 404 | 409 | 410,
            ..
        }) => {}
        Err(error) => return Err(error.into()),
    }
    let receipt = match parent.receipt(round_id).await {
        Ok(receipt) => receipt,
        Err(ParentError::Problem {
            status: 404 | 409 | 410,
            ..
        }) => {
            return Err(RefundFailed::NoProof(*round_id));
        }
        Err(error) => return Err(error.into()),
    };
    let proof = parent.proof(round_id, &ledger.client_id()).await?;
    ledger.refund_by_exclusion(round_id, &receipt, &proof)?;
    Ok(RefundProof::Exclusion)
}

/// Why a round was not freed. The ledger is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefundFailed {
    /// The parent did not answer.
    #[error(transparent)]
    Parent(#[from] ParentError),
    /// The parent has neither kind of proof.
    #[error(
        "the parent has neither an abort receipt nor a receipt of round {0}: while nothing is proven, it stays spent; whatever the parent says in words does not count"
    )]
    NoProof(RoundId),
    /// The proof does not hold.
    #[error(transparent)]
    Refused(#[from] RefundRefused),
}
