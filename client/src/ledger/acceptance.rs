//! What the enclave said of a contribution: decides whether its yes is about ours.

use rusqlite::params;
use sealsum_protocol::{Acceptance, Digest, RoundId, SignatureError, Signed, canonical};

use super::{Ledger, LedgerError};

impl Ledger {
    /// Stores the enclave's acceptance of the contribution to `round_id`, and drops the masked
    /// update that is no longer needed.
    ///
    /// # Errors
    /// [`AcceptanceRefused`]; the contribution stays stored, to be sent again.
    pub fn record_acceptance(
        &mut self,
        round_id: &RoundId,
        signed: &Signed<Acceptance>,
    ) -> Result<Acceptance, AcceptanceRefused> {
        let record = self
            .record(round_id)?
            .ok_or(AcceptanceRefused::Unknown(*round_id))?;
        let acceptance = signed.verify(&record.binding.receipt_key, round_id)?;
        if acceptance.client != self.client || acceptance.contribution != record.contribution {
            return Err(AcceptanceRefused::OtherContribution {
                expected: record.contribution,
                found: acceptance.contribution,
            });
        }
        self.settle(round_id, |transaction| {
            transaction.execute(
                "UPDATE contributions SET state = 'accepted', acceptance = ?2 \
                 WHERE round_id = ?1 AND state = 'sealed'",
                params![round_id.as_bytes(), canonical::encode(signed)],
            )?;
            Ok(())
        })?;
        Ok(acceptance.clone())
    }

    /// Notes that a verified receipt shows this site's contribution in the sum: it can't be
    /// refunded, nor repeated without proof.
    pub(crate) fn record_summed(&mut self, round_id: &RoundId) -> Result<(), LedgerError> {
        self.settle(round_id, |transaction| {
            transaction.execute(
                "UPDATE contributions SET state = 'summed' \
                 WHERE round_id = ?1 AND state IN ('sealed', 'accepted')",
                params![round_id.as_bytes()],
            )?;
            Ok(())
        })
    }
}

/// Why an acceptance does not count. The parent is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptanceRefused {
    /// The ledger can't be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No contribution to that round.
    #[error("the ledger has no contribution to round {0}")]
    Unknown(RoundId),
    /// Not signed by the round's enclave.
    #[error(
        "the parent answered with an acceptance that does not hold: {0}; the contribution stays spent, and the same command sends it again"
    )]
    Signature(#[from] SignatureError),
    /// About another contribution.
    #[error(
        "the enclave holds another contribution under this site's id ({found}) than the one that was sent ({expected}): somebody else uses this id"
    )]
    OtherContribution {
        /// Ours.
        expected: Digest,
        /// The one that the enclave has.
        found: Digest,
    },
}
