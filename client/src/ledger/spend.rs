//! Spending: decides whether this site may seal for a round at all (I11, I12).
//!
//! A round's number and its base model are spent with the first contribution for either, in any
//! enclave; the base model as a whole file too, whatever is selected of it. The budget
//! counts across tasks. The decision, the record and the debit are one transaction, and the masked
//! update is on the disk before it commits: a crash before the commit leaves nothing that is
//! ever sent, and nothing is sent before.

mod refused;

use std::path::Path;

use bytes::Bytes;
use rusqlite::{Transaction, TransactionBehavior, params};
use sealsum_protocol::{
    ClientId, ContributionHeader, Digest, RegistryGrant, RoundBinding, RoundId, RoundTerms, Sealed,
    TaskName, UnixMillis, canonical, upload,
};

use super::record::{COLUMNS, Record, RecordState};
use super::{Fingerprint, Ledger, LedgerError, Noted, epoch, masked_update};
use crate::policy::{AcceptedTerms, RoundPolicy};
use crate::update::BaseModel;
pub use refused::{Shared, SpendRefused, SpentBefore};

/// A reservation: an open transaction that is gone without a trace unless it commits.
///
/// Only [`Ledger::reserve`] makes one:
///
/// ```compile_fail
/// fn forge() -> sealsum_client::Debit<'static> {
///     sealsum_client::Debit {}
/// }
/// ```
///
/// ```
/// use sealsum_client::{
///     AcceptedTerms, BaseModel, Debit, Fingerprint, Ledger, RoundPolicy, SpendRefused,
/// };
///
/// fn earn<'ledger>(
///     ledger: &'ledger mut Ledger,
///     terms: &AcceptedTerms,
///     policy: &RoundPolicy,
///     base_model: &BaseModel,
///     update: Fingerprint,
/// ) -> Result<Debit<'ledger>, SpendRefused> {
///     ledger.reserve(terms, policy, base_model, update)
/// }
/// ```
#[must_use]
pub struct Debit<'ledger> {
    transaction: Transaction<'ledger>,
    noted: &'ledger mut Option<Noted>,
    path: &'ledger Path,
    client: ClientId,
    round_id: RoundId,
    task: TaskName,
    round_number: u64,
    base_model: Digest,
    whole_model: Digest,
    update: Fingerprint,
    grant: Option<RegistryGrant>,
    unproven_retry: bool,
}

/// A contribution whose bytes, record and debit are on the disk. Nothing else is ever uploaded.
///
/// Only a commit makes one, and the ledger from what was committed:
///
/// ```compile_fail
/// fn forge(header: sealsum_protocol::ContributionHeader) -> sealsum_client::SpentContribution {
///     sealsum_client::SpentContribution { header }
/// }
/// ```
///
/// ```
/// use sealsum_client::{LedgerError, SealedContribution, SpentContribution};
///
/// fn earn(sealed: SealedContribution<'_>) -> Result<SpentContribution, LedgerError> {
///     sealed.commit()
/// }
/// ```
#[must_use]
pub struct SpentContribution {
    header: ContributionHeader,
    prefix: Bytes,
    body: Bytes,
    clamped: u64,
}

impl SpentContribution {
    pub(super) fn new(header: ContributionHeader, body: Vec<u8>, clamped: u64) -> Self {
        Self {
            prefix: upload::prefix(&header).into(),
            header,
            body: body.into(),
            clamped,
        }
    }

    /// The round that it is for.
    #[must_use]
    pub fn round_id(&self) -> RoundId {
        self.header.round_id
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &ContributionHeader {
        &self.header
    }

    /// Elements that were clamped when it was encoded.
    #[must_use]
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    /// What goes over the network: the header's prefix, then the packed body.
    pub(crate) fn upload(&self) -> [Bytes; 2] {
        [self.prefix.clone(), self.body.clone()]
    }
}

impl Ledger {
    /// Reserves a round for an update: checks what is spent and opens the transaction that will
    /// spend it. `base_model` is the one that the terms were accepted for.
    ///
    /// # Errors
    /// [`SpendRefused`]; the ledger is as it was.
    pub fn reserve(
        &mut self,
        terms: &AcceptedTerms,
        policy: &RoundPolicy,
        base_model: &BaseModel,
        update: Fingerprint,
    ) -> Result<Debit<'_>, SpendRefused> {
        let (ours, theirs) = (self.trust, terms.trust());
        if ours != theirs {
            return Err(SpendRefused::OtherTrust {
                ledger: ours.as_str(),
                round: theirs.as_str(),
            });
        }
        let round_id = terms.round_id();
        let round = terms.params().terms();
        if base_model.digest() != round.base_model {
            return Err(SpendRefused::OtherModel {
                round: round.base_model,
                given: base_model.digest(),
            });
        }
        let at_fault = LedgerError::sql(&self.path);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&at_fault)?;
        if let Some(noted) = &self.noted {
            noted.take_over(&transaction).map_err(&at_fault)?;
        }
        if is_recorded(&transaction, &round_id).map_err(&at_fault)? {
            return Err(SpendRefused::SealedBefore(round_id));
        }
        let grant = terms.grant().copied();
        if let Some(grant) = &grant {
            let seen = epoch::highest(&transaction, &round.task, &grant.authority);
            match seen.map_err(&at_fault)? {
                Some(seen) if grant.epoch < seen => {
                    return Err(SpendRefused::OldEpoch {
                        seen,
                        offered: grant.epoch,
                    });
                }
                _ => {}
            }
        }
        let earlier = conflicts(&transaction, round, base_model).map_err(&at_fault)?;
        let unproven_retry = match earlier.into_iter().next() {
            None => false,
            Some(earlier) => {
                let allowed = policy.terms().unproven_retries;
                let retries = retries(&transaction, &round.task).map_err(&at_fault)?;
                if earlier.state == RecordState::Summed || retries >= allowed {
                    return Err(SpendRefused::SpentBefore(Box::new(SpentBefore {
                        shared: Shared::between(&earlier, round),
                        earlier,
                        allowed,
                        retries,
                    })));
                }
                true
            }
        };
        let budget = policy.terms().budget.contributions;
        let used = used(&transaction).map_err(&at_fault)?;
        if used >= budget {
            return Err(SpendRefused::BudgetSpent { budget, used });
        }
        Ok(Debit {
            transaction,
            noted: &mut self.noted,
            path: &self.path,
            client: self.client,
            round_id,
            task: round.task.clone(),
            round_number: round.round_number,
            base_model: round.base_model,
            whole_model: base_model.whole(),
            update,
            grant,
            unproven_retry,
        })
    }

    /// What keeps this round from being sealed for and is not proven to be in a sum: a proof could
    /// free it. Empty if nothing does, or if no proof would help.
    pub(crate) fn in_the_way(
        &self,
        round: &RoundTerms,
        base_model: &BaseModel,
    ) -> Result<Vec<Record>, LedgerError> {
        let earlier = conflicts(&self.connection, round, base_model);
        let earlier = earlier.map_err(LedgerError::sql(&self.path))?;
        let earlier: Vec<_> = earlier
            .into_iter()
            .map(|record| self.with_noted(record))
            .collect();
        let summed = |record: &Record| record.state == RecordState::Summed;
        Ok(if earlier.iter().any(summed) {
            Vec::new()
        } else {
            earlier
        })
    }

    /// Contributions that count against the budget.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger can't be read.
    pub fn used(&self) -> Result<u32, LedgerError> {
        used(&self.connection).map_err(LedgerError::sql(&self.path))
    }
}

impl Debit<'_> {
    /// The round that is reserved.
    pub(crate) fn round_id(&self) -> RoundId {
        self.round_id
    }

    /// The client that the contribution will be from: the ledger's own.
    pub(crate) fn client(&self) -> ClientId {
        self.client
    }

    /// Stores the masked update, then commits record and debit at once: from then on it is spent.
    pub(crate) fn commit(
        self,
        binding: &RoundBinding,
        sealed: Sealed,
        now: UnixMillis,
    ) -> Result<SpentContribution, LedgerError> {
        let Sealed {
            header,
            masked,
            clamped,
        } = sealed;
        let at_fault = LedgerError::sql(self.path);
        let in_outbox =
            masked_update::write(self.path, &self.transaction, &self.round_id, &masked.0)?;
        // Not removed if this fails: a commit that reports a failure may be on the disk all the
        // same. The next opening sees whether there is a record.
        self.record(binding, &header, (clamped, in_outbox), now)
            .map_err(at_fault)?;
        Ok(SpentContribution::new(header, masked.0, clamped))
    }

    fn record(
        self,
        binding: &RoundBinding,
        header: &ContributionHeader,
        (clamped, in_outbox): (u64, bool),
        now: UnixMillis,
    ) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO contributions (round_id, task, round_number, base_model, state, \
             unproven_retry, sealed_at, clamped, binding, contribution, header, whole_model, \
             fingerprint, in_outbox) \
             VALUES (?1, ?2, ?3, ?4, 'sealed', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                self.round_id.as_bytes(),
                self.task.as_str(),
                self.round_number.cast_signed(),
                self.base_model.as_bytes(),
                self.unproven_retry,
                now.0.cast_signed(),
                clamped.cast_signed(),
                canonical::encode(binding),
                header.digest().as_bytes(),
                canonical::encode(header),
                self.whole_model.as_bytes(),
                self.update.as_bytes(),
                in_outbox,
            ],
        )?;
        if let Some(grant) = &self.grant {
            epoch::record(&self.transaction, &self.task, grant)?;
        }
        self.transaction.commit()?;
        *self.noted = None;
        Ok(())
    }
}

fn is_recorded(connection: &rusqlite::Connection, round_id: &RoundId) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM contributions WHERE round_id = ?1)",
        params![round_id.as_bytes()],
        |row| row.get(0),
    )
}

fn used(connection: &rusqlite::Connection) -> rusqlite::Result<u32> {
    connection.query_row(
        "SELECT count(*) FROM contributions WHERE state <> 'refunded'",
        [],
        |row| row.get(0),
    )
}

/// Retries are counted over a task's lifetime: one that was refunded later stays counted.
fn retries(connection: &rusqlite::Connection, task: &TaskName) -> rusqlite::Result<u32> {
    connection.query_row(
        "SELECT count(*) FROM contributions WHERE task = ?1 AND unproven_retry = 1",
        params![task.as_str()],
        |row| row.get(0),
    )
}

/// The contributions that spent this number or model; one that is proven to be in a sum first.
fn conflicts(
    connection: &rusqlite::Connection,
    round: &RoundTerms,
    base_model: &BaseModel,
) -> rusqlite::Result<Vec<Record>> {
    connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM contributions WHERE task = ?1 AND state <> 'refunded' \
             AND (round_number = ?2 OR base_model = ?3 OR whole_model = ?4) \
             ORDER BY state = 'summed' DESC, sealed_at DESC"
        ))?
        .query_map(
            params![
                round.task.as_str(),
                round.round_number.cast_signed(),
                round.base_model.as_bytes(),
                base_model.whole().as_bytes()
            ],
            Record::read,
        )?
        .collect()
}
