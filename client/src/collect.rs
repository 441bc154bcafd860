//! Collecting: a released round's aggregate, verified, and whether this site is in it.

use sealsum_protocol::cohort::CohortProofError;
use sealsum_protocol::{Digest, Membership, Receipt, RoundId, Signed};

use crate::ledger::{Ledger, LedgerError};
use crate::parent::{Parent, ParentError};
use crate::policy::{MockMismatch, RoundPolicy};
use crate::receipt::{AggregateRefused, ReceiptRefused, VerifiedReceipt};

/// An aggregate that its receipt names, under evidence that the policy accepts.
#[derive(Clone, Debug)]
pub struct VerifiedAggregate {
    /// d numbers, the rule's division applied.
    pub values: Vec<f64>,
    /// The same as it was released: packed blocks, ceil(k x d / 8) bytes.
    pub packed: Vec<u8>,
    /// What was verified.
    pub verified: VerifiedReceipt,
    /// The receipt as signed, to be kept.
    pub receipt: Signed<Receipt>,
    /// Whether this site's contribution is in the sum.
    pub own_contribution: OwnContribution,
}

/// Whether this site's contribution is in a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnContribution {
    /// Proven to be in, exactly as it was sent.
    In,
    /// Proven to be left out: `ledger refund` frees it.
    Out,
    /// No ledger was given, or it has no contribution to this round.
    Unknown,
}

impl OwnContribution {
    /// `in`, `out` or `unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Unknown => "unknown",
        }
    }
}

/// Fetches and verifies a released round. With a ledger, this site's own membership is proven
/// too, and noted there. `progress` is told bytes received and bytes in all.
///
/// # Errors
/// [`CollectRefused`]; nothing of what the parent served is to be used then.
pub async fn collect(
    parent: &Parent,
    policy: &RoundPolicy,
    ledger: Option<&mut Ledger>,
    round_id: &RoundId,
    mock: bool,
    progress: impl Fn(u64, u64),
) -> Result<VerifiedAggregate, CollectRefused> {
    policy.trust(mock)?;
    let receipt = parent.receipt(round_id).await?;
    let evidence = parent.evidence(round_id).await?;
    let verified = VerifiedReceipt::verify(&receipt, evidence, policy, mock)?;
    if verified.round_id() != *round_id {
        return Err(CollectRefused::OtherRound {
            expected: *round_id,
            found: verified.round_id(),
        });
    }
    let bytes = verified.aggregate_bytes();
    let packed = parent.aggregate(round_id, bytes, progress).await?;
    let values = verified.open_aggregate(&packed)?;
    let own_contribution = match ledger {
        Some(ledger) => own(parent, ledger, &verified).await?,
        None => OwnContribution::Unknown,
    };
    Ok(VerifiedAggregate {
        values,
        packed,
        verified,
        receipt,
        own_contribution,
    })
}

async fn own(
    parent: &Parent,
    ledger: &mut Ledger,
    verified: &VerifiedReceipt,
) -> Result<OwnContribution, CollectRefused> {
    let round_id = verified.round_id();
    let Some(record) = ledger.record(&round_id)? else {
        return Ok(OwnContribution::Unknown);
    };
    let client = ledger.client_id();
    let proof = parent.proof(&round_id, &client).await?;
    let receipt = verified.receipt();
    match proof.verify(&client, &receipt.cohort_root, receipt.cohort_size.into())? {
        // The enclave signed that it holds it: without being named as excluded, it can't be out.
        Membership::Out if record.acceptance.is_some() && !receipt.excluded.contains(&client) => {
            Err(CollectRefused::AcceptedYetOut(round_id))
        }
        Membership::Out => Ok(OwnContribution::Out),
        Membership::In(found) if found == record.contribution => {
            ledger.record_summed(&round_id)?;
            Ok(OwnContribution::In)
        }
        Membership::In(found) => Err(CollectRefused::OtherContribution {
            expected: record.contribution,
            found,
        }),
    }
}

/// Why there is no aggregate to use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectRefused {
    /// Caller and policy disagree about whether this is a mock.
    #[error(transparent)]
    Mock(#[from] MockMismatch),
    /// The parent did not serve it.
    #[error(transparent)]
    Parent(#[from] ParentError),
    /// The parent served another round's receipt.
    #[error("round {expected} was asked for, the parent serves the receipt of {found}")]
    OtherRound {
        /// Asked for.
        expected: RoundId,
        /// Served.
        found: RoundId,
    },
    /// The receipt proves nothing.
    #[error(transparent)]
    Receipt(#[from] ReceiptRefused),
    /// The bytes are not the receipt's aggregate.
    #[error(transparent)]
    Aggregate(#[from] AggregateRefused),
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The parent's proof about this site shows nothing.
    #[error("the parent's proof about this site does not hold: {0}")]
    Proof(#[from] CohortProofError),
    /// The enclave accepted the contribution, and its receipt leaves it out without a word.
    #[error(
        "the enclave accepted this site's contribution to round {0}, and its receipt neither has it nor names it as excluded: no honest enclave does that; keep acceptance, receipt and evidence, and tell the operator"
    )]
    AcceptedYetOut(RoundId),
    /// Another contribution was summed under this site's id.
    #[error(
        "the sum has another contribution under this site's id ({found}) than the one that was sent ({expected}): somebody else uses this id, or this site's ledger was restored from before it sealed that one"
    )]
    OtherContribution {
        /// Ours.
        expected: Digest,
        /// The one in the sum.
        found: Digest,
    },
}
