//! Refunds: decides whether a spent round is free again. Only by proof (I11, I12).
//!
//! A proof is judged by the receipt key that the evidence vouched for when the contribution was
//! sealed, as the ledger recorded it: never by a key that comes along with the proof.

use rusqlite::params;
use sealsum_protocol::cohort::CohortProofError;
use sealsum_protocol::{
    AbortReceipt, CohortProof, Membership, Receipt, RoundId, SignatureError, Signed, canonical,
};

use super::record::{Record, RecordState};
use super::{Ledger, LedgerError};

impl Ledger {
    /// Frees a round by the enclave's word that nothing of it was released and its keys are erased.
    ///
    /// # Errors
    /// [`RefundRefused`]; the ledger is as it was.
    pub fn refund_by_abort(
        &mut self,
        round_id: &RoundId,
        receipt: &Signed<AbortReceipt>,
    ) -> Result<(), RefundRefused> {
        let record = self.refundable(round_id)?;
        receipt.verify(&record.binding.receipt_key, round_id)?;
        self.refund(round_id, &canonical::encode(receipt))
    }

    /// Frees a round by its receipt and a proof that this site is not in its cohort.
    ///
    /// # Errors
    /// [`RefundRefused`]; the ledger is as it was, but for a proof that this site's contribution is
    /// in the sum, which is noted.
    pub fn refund_by_exclusion(
        &mut self,
        round_id: &RoundId,
        receipt: &Signed<Receipt>,
        proof: &CohortProof,
    ) -> Result<(), RefundRefused> {
        let record = self.refundable(round_id)?;
        let shown = receipt.verify(&record.binding.receipt_key, round_id)?;
        let size = shown.cohort_size.into();
        match proof.verify(&self.client, &shown.cohort_root, size)? {
            // Another contribution under this id frees nothing: it may be this site's own, from
            // before its ledger was restored.
            Membership::Out => {
                let proof = [canonical::encode(receipt), canonical::encode(proof)].concat();
                self.refund(round_id, &proof)
            }
            Membership::In(found) => {
                // The proof that frees nothing shows something: this very contribution is in a
                // released sum, and is never repeated without proof.
                if found == record.contribution {
                    self.record_summed(round_id)?;
                }
                Err(RefundRefused::InTheSum(*round_id))
            }
        }
    }

    fn refundable(&self, round_id: &RoundId) -> Result<Record, RefundRefused> {
        let record = self
            .record(round_id)?
            .ok_or(RefundRefused::Unknown(*round_id))?;
        match record.state {
            RecordState::Sealed | RecordState::Accepted => Ok(record),
            RecordState::Summed => Err(RefundRefused::InTheSum(*round_id)),
            RecordState::Refunded => Err(RefundRefused::Refunded(*round_id)),
        }
    }

    fn refund(&mut self, round_id: &RoundId, proof: &[u8]) -> Result<(), RefundRefused> {
        self.settle(round_id, |transaction| {
            transaction.execute(
                "UPDATE contributions SET state = 'refunded', proof = ?2 WHERE round_id = ?1",
                params![round_id.as_bytes(), proof],
            )?;
            Ok(())
        })?;
        Ok(())
    }
}

/// Why a round stays spent. The ledger is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefundRefused {
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No contribution to that round.
    #[error("the ledger has no contribution to round {0}")]
    Unknown(RoundId),
    /// Free already.
    #[error("the contribution to round {0} is refunded already")]
    Refunded(RoundId),
    /// The contribution is in the sum.
    #[error(
        "the released sum of round {0} has a contribution under this site's id; the round stays spent"
    )]
    InTheSum(RoundId),
    /// The receipt was not signed by that round's enclave.
    #[error("the receipt proves nothing: {0}; the round stays spent")]
    Signature(#[from] SignatureError),
    /// The cohort proof shows nothing.
    #[error("the cohort proof proves nothing: {0}; the round stays spent")]
    Proof(#[from] CohortProofError),
}
