//! Verifying a released round: decides what a receipt proves, from public data alone.
//!
//! The order: archived evidence vouches for the receipt key, the key for the receipt, the receipt
//! for the aggregate and the cohort. Archived evidence is judged at its own time and can't
//! authorise sealing (I16).

use sealsum_attestation::{Rejection, Trust, appraise_archived};
use sealsum_protocol::pack::{UnpackError, unpack};
use sealsum_protocol::{
    AggregationRule, CommitmentBuilder, Digest, FLOOR, Receipt, RingVector, RoundEvidence, RoundId,
    RoundTerms, SignatureError, Signed, UnixMillis, fixed,
};

use crate::policy::{MockMismatch, RoundPolicy, TermRefused};

/// A receipt that was verified under evidence that a policy accepts.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    receipt: Receipt,
    evidence: RoundEvidence,
    trust: Trust,
    evidence_time: UnixMillis,
}

impl VerifiedReceipt {
    /// Verifies a receipt and the evidence kept with it. `mock` has to be said for a mock's.
    ///
    /// # Errors
    /// [`ReceiptRefused`] with the first step that does not hold.
    pub fn verify(
        receipt: &Signed<Receipt>,
        evidence: RoundEvidence,
        policy: &RoundPolicy,
        mock: bool,
    ) -> Result<Self, ReceiptRefused> {
        policy.trust(mock)?;
        let archived = appraise_archived(
            &evidence.evidence,
            evidence.binding.clone(),
            policy.appraisal(),
        )
        .map_err(|rejection| ReceiptRefused::Evidence(Box::new(rejection)))?;
        policy.judge_archived(&archived)?;
        let receipt = receipt.verify(archived.receipt_key(), &archived.round_id())?;
        check_terms(receipt, archived.params().params.terms())?;
        Ok(Self {
            receipt: receipt.clone(),
            trust: archived.trust(),
            evidence_time: archived.evidence_time(),
            evidence,
        })
    }

    /// The receipt.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The round.
    #[must_use]
    pub fn round_id(&self) -> RoundId {
        self.receipt.round_id
    }

    /// The round's terms.
    #[must_use]
    pub fn terms(&self) -> &RoundTerms {
        self.evidence.binding.params.params.terms()
    }

    /// What the verdict is worth.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// When the evidence was signed, by its own word.
    #[must_use]
    pub fn evidence_time(&self) -> UnixMillis {
        self.evidence_time
    }

    /// The evidence, to be kept with the receipt.
    #[must_use]
    pub fn evidence(&self) -> &RoundEvidence {
        &self.evidence
    }

    /// Bytes of the aggregate: ceil(k x d / 8).
    #[must_use]
    pub fn aggregate_bytes(&self) -> u64 {
        self.evidence.binding.params.params.layout().total_bytes()
    }

    /// Verifies packed bytes as the aggregate that the receipt names, and reads them as d numbers,
    /// the rule's division applied.
    ///
    /// # Errors
    /// [`AggregateRefused`].
    pub fn open_aggregate(&self, packed: &[u8]) -> Result<Vec<f64>, AggregateRefused> {
        let layout = self.evidence.binding.params.params.layout();
        let found = packed.len() as u64;
        let length = AggregateRefused::Length {
            expected: layout.total_bytes(),
            found,
        };
        if found != layout.total_bytes() {
            return Err(length);
        }
        let mut rest = packed;
        let mut commitment = CommitmentBuilder::aggregate();
        let mut blocks: Vec<RingVector> = Vec::new();
        for index in layout.indices() {
            let (Some(bytes), Some(elements)) = (layout.bytes(index), layout.elements(index))
            else {
                return Err(length);
            };
            let Some((block, others)) = rest.split_at_checked(bytes) else {
                return Err(length);
            };
            rest = others;
            commitment.push(block);
            blocks.push(unpack(block, layout.bits(), elements)?);
        }
        let found = commitment.root();
        if found != self.receipt.aggregate {
            return Err(AggregateRefused::OtherAggregate {
                expected: self.receipt.aggregate,
                found,
            });
        }
        let Receipt {
            cohort_size,
            total_weight,
            ..
        } = self.receipt;
        Ok(fixed::decode(
            self.terms(),
            &blocks,
            cohort_size,
            total_weight,
        ))
    }
}

/// A receipt that its own parameters could not have led to was not made by an honest image.
fn check_terms(receipt: &Receipt, terms: &RoundTerms) -> Result<(), ReceiptRefused> {
    let size = receipt.cohort_size;
    let minimum = terms.min_cohort.max(FLOOR);
    let heaviest = u64::from(size) * u64::from(terms.max_weight);
    let weight = u64::from(size)..=heaviest;
    let weighted = terms.rule == AggregationRule::WeightedMean;
    let checks = [
        ("cohort_size", (minimum..=terms.max_cohort).contains(&size)),
        ("total_weight", weight.contains(&receipt.total_weight)),
        (
            "total_weight",
            weighted || receipt.total_weight == *weight.start(),
        ),
        ("noise", receipt.noise == terms.noise),
        (
            "previous_receipt",
            receipt.previous_receipt == terms.previous_receipt,
        ),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((field, _)) => Err(ReceiptRefused::AgainstTerms(field)),
        None => Ok(()),
    }
}

/// Why a receipt proves nothing to this policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptRefused {
    /// Caller and policy disagree about whether this is a mock.
    #[error(transparent)]
    Mock(#[from] MockMismatch),
    /// The archived evidence is refused.
    #[error("the evidence kept with the receipt is refused: {0}")]
    Evidence(Box<Rejection>),
    /// The round is not of this policy's operator or tasks.
    #[error(transparent)]
    Term(#[from] TermRefused),
    /// Not signed by the round's enclave.
    #[error("the receipt does not hold: {0}")]
    Signature(#[from] SignatureError),
    /// A field that the round's parameters rule out.
    #[error("the receipt's {0} contradicts the round's parameters, so no honest enclave signed it")]
    AgainstTerms(&'static str),
}

/// Why bytes are not the aggregate of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateRefused {
    /// Another length.
    #[error("the aggregate has {expected} bytes by the round's parameters, not {found}")]
    Length {
        /// By the parameters.
        expected: u64,
        /// Given.
        found: u64,
    },
    /// Not packed as the protocol says.
    #[error("the aggregate is not packed as the protocol says: {0}")]
    Packing(#[from] UnpackError),
    /// Another aggregate.
    #[error(
        "these bytes are not the aggregate of this receipt: {found}, the receipt names {expected}"
    )]
    OtherAggregate {
        /// In the receipt.
        expected: Digest,
        /// Of the bytes.
        found: Digest,
    },
}
