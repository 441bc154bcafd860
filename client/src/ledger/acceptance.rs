//! What the enclave said of a contribution: decides whether its yes is about ours.
//!
//! The acceptance of what was in the outbox goes to a file first, in one write that is on the disk
//! before anyone is told, and into the tables with the ledger's next change. Without that file the
//! contribution is merely known as sealed: it stays spent, and the parent gives the same acceptance
//! for the same bytes.

use std::io::Read as _;

use rusqlite::{Transaction, params};
use sealsum_protocol::{Acceptance, Digest, RoundId, SignatureError, Signed, canonical};

use super::{Ledger, LedgerError, Record, RecordState, in_place};

/// An acceptance that holds, of a contribution that the tables have as sealed.
pub(super) struct Noted {
    round_id: RoundId,
    signed: Signed<Acceptance>,
}

impl Noted {
    /// Takes it into the tables.
    pub(super) fn take_over(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let change = "UPDATE contributions SET state = 'accepted', acceptance = ?2 \
                      WHERE round_id = ?1 AND state = 'sealed'";
        let acceptance = canonical::encode(&self.signed);
        let changed = transaction.execute(change, params![self.round_id.as_bytes(), acceptance]);
        changed.map(drop)
    }
}

impl Ledger {
    /// Stores the enclave's acceptance of the contribution to `round_id`, whose masked update is not
    /// sent again.
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
        let acceptance = self.judge(&record, signed)?;
        if record.state != RecordState::Sealed {
            return Ok(acceptance.clone());
        }
        let noted = Noted {
            round_id: *round_id,
            signed: signed.clone(),
        };
        if self.is_in_outbox(round_id)? {
            self.note(noted)?;
        } else {
            self.settle(round_id, |transaction| noted.take_over(transaction))?;
        }
        Ok(acceptance.clone())
    }

    /// Whether it is the round's enclave's word on this very contribution.
    fn judge<'a>(
        &self,
        record: &Record,
        signed: &'a Signed<Acceptance>,
    ) -> Result<&'a Acceptance, AcceptanceRefused> {
        let acceptance = signed.verify(&record.binding.receipt_key, &record.round_id)?;
        if acceptance.client != self.client || acceptance.contribution != record.contribution {
            return Err(AcceptanceRefused::OtherContribution {
                expected: record.contribution,
                found: acceptance.contribution,
            });
        }
        Ok(acceptance)
    }

    /// Stores an acceptance, durably. The one before is in the tables: what is in the outbox now was
    /// spent after it.
    fn note(&mut self, noted: Noted) -> Result<(), LedgerError> {
        let path = in_place::acceptance(&self.path);
        let written = in_place::write(&path, &canonical::encode(&noted.signed));
        written.map_err(|error| LedgerError::io(&path, error))?;
        self.noted = Some(noted);
        Ok(())
    }

    /// Finds the acceptance that an earlier process has noted. What is no acceptance of a
    /// contribution that waits for one is of one that is in the tables, or was cut off.
    pub(super) fn read_noted(&mut self) -> Result<(), LedgerError> {
        let path = in_place::acceptance(&self.path);
        let mut bytes = Vec::new();
        // Whatever else has this name is no acceptance, and one that can't be read is as good as none.
        let is_file = std::fs::metadata(&path).is_ok_and(|found| found.is_file());
        let read = is_file
            .then(|| std::fs::File::open(&path))
            .and_then(Result::ok)
            .map(|file| file.take(ACCEPTANCE_LIMIT).read_to_end(&mut bytes));
        let Some(Ok(_)) = read else {
            return Ok(());
        };
        let Ok(signed) = canonical::decode::<Signed<Acceptance>>(&bytes) else {
            return Ok(());
        };
        let round_id = signed.unverified().round_id;
        let waits = self.record(&round_id)?.filter(|record| {
            record.state == RecordState::Sealed && self.judge(record, &signed).is_ok()
        });
        self.noted = waits.map(|_| Noted { round_id, signed });
        Ok(())
    }

    /// A record of the tables as it is with what was noted.
    pub(super) fn with_noted(&self, record: Record) -> Record {
        match &self.noted {
            Some(noted)
                if noted.round_id == record.round_id && record.state == RecordState::Sealed =>
            {
                Record {
                    state: RecordState::Accepted,
                    acceptance: Some(noted.signed.clone()),
                    ..record
                }
            }
            _ => record,
        }
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

/// As long as the answers that are read for one.
const ACCEPTANCE_LIMIT: u64 = 4096;

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
