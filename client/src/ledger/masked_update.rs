//! Masked updates from sealing to acceptance, in files beside the ledger: decides that what is
//! sent is what was committed (I11).
//!
//! One is in the outbox, which is written over again and again; those that are sealed while another
//! waits there have files of their own. Either is whole and synced before the transaction that
//! records it commits. So what has no record was never spent: in the outbox it is written over, as a
//! file it is removed when the ledger is opened. A record without its file, or with another than its
//! header commits to, is refused, and never made anew. Ledgers of before version 4 have masked
//! updates in rows, which are sent from there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, params};
use sealsum_protocol::{BlockLayout, Commitment, CommitmentBuilder, RoundId};

use super::{Ledger, LedgerError, Record, RecordState, SpentContribution, in_place};
use crate::secret_file::{folder_of, sync_folder};

impl Ledger {
    /// The stored bytes of a contribution that is not known to have arrived: to be sent again,
    /// since nothing is ever sealed twice.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger can't be read, or what was committed is no longer there.
    pub fn stored(&self, round_id: &RoundId) -> Result<Option<SpentContribution>, LedgerError> {
        let Some(record) = self.record(round_id)? else {
            return Ok(None);
        };
        if record.state != RecordState::Sealed {
            return Ok(None);
        }
        let body = self.masked_update(&record)?;
        Ok(Some(SpentContribution::new(
            record.header,
            body,
            record.clamped,
        )))
    }

    /// Read whole, so that the bytes that were checked are the bytes that are sent.
    fn masked_update(&self, record: &Record) -> Result<Vec<u8>, LedgerError> {
        let layout = record.binding.params.params.layout();
        let in_rows = rows(&self.connection, &record.round_id);
        let in_rows = in_rows.map_err(LedgerError::sql(&self.path))?;
        let (path, read) = if in_rows.is_empty() {
            let path = match self.is_in_outbox(&record.round_id)? {
                true => in_place::outbox(&self.path),
                false => file_of(&self.path, &record.round_id),
            };
            let read = read(&path, layout.total_bytes());
            (path, read)
        } else {
            (self.path.clone(), Ok(in_rows))
        };
        let lost = |fault| LedgerError::MaskedUpdate {
            path,
            round_id: record.round_id,
            fault,
        };
        let body = match read {
            Ok(body) => body,
            Err(error) => return Err(lost(error.into())),
        };
        match check(&body, &layout, &record.header.commitment) {
            Ok(()) => Ok(body),
            Err(fault) => Err(lost(fault)),
        }
    }

    pub(super) fn is_in_outbox(&self, round_id: &RoundId) -> Result<bool, LedgerError> {
        let found = self.connection.query_row(
            "SELECT in_outbox FROM contributions WHERE round_id = ?1",
            params![round_id.as_bytes()],
            |row| row.get(0),
        );
        found.map_err(LedgerError::sql(&self.path))
    }

    /// Changes how far a contribution came, to where its masked update is needed no more.
    pub(super) fn settle(
        &mut self,
        round_id: &RoundId,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), LedgerError> {
        let noted = &self.noted;
        let changed = self.connection.transaction().and_then(|transaction| {
            if let Some(noted) = noted {
                noted.take_over(&transaction)?;
            }
            change(&transaction)?;
            transaction.execute(
                "DELETE FROM masked_updates WHERE round_id = ?1",
                params![round_id.as_bytes()],
            )?;
            transaction.commit()
        });
        changed.map_err(LedgerError::sql(&self.path))?;
        self.noted = None;
        // The change stands, whatever becomes of this: what stays is removed at the next opening.
        let _ = fs::remove_file(file_of(&self.path, round_id));
        Ok(())
    }
}

/// Stores a masked update, durably, before the transaction that records it commits; true if in the
/// outbox.
pub(super) fn write(
    ledger: &Path,
    transaction: &Transaction<'_>,
    round_id: &RoundId,
    body: &[u8],
) -> Result<bool, LedgerError> {
    let is_free = is_outbox_free(transaction).map_err(LedgerError::sql(ledger))?;
    if is_free {
        let path = in_place::outbox(ledger);
        in_place::write(&path, body).map_err(|error| LedgerError::io(&path, error))?;
    } else {
        write_own(ledger, round_id, body)?;
    }
    Ok(is_free)
}

/// No other name meanwhile: until there is a record, nobody takes it for whole.
fn write_own(ledger: &Path, round_id: &RoundId, body: &[u8]) -> Result<(), LedgerError> {
    let path = file_of(ledger, round_id);
    let written = || {
        // The round has no record: whatever has this name is of an attempt that was never spent.
        remove(&path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(body)?;
        file.sync_all()?;
        sync_folder(&path)
    };
    written().map_err(|error| LedgerError::io(&path, error))
}

/// Removes the files that no unaccepted contribution has: of attempts that ended before their
/// commit, and of what was settled as the process ended.
pub(super) fn remove_orphans(ledger: &Path, connection: &Connection) -> Result<(), LedgerError> {
    let at_fault = |error| LedgerError::io(ledger, error);
    for entry in fs::read_dir(folder_of(ledger)).map_err(at_fault)? {
        let path = entry.map_err(at_fault)?.path();
        let Some(round_id) = round_of(ledger, &path) else {
            continue;
        };
        if !is_awaited(connection, &round_id).map_err(LedgerError::sql(ledger))? {
            remove(&path).map_err(|error| LedgerError::io(&path, error))?;
        }
    }
    Ok(())
}

/// The name says whose it is: two ledgers in a folder share none.
pub(super) fn file_of(ledger: &Path, round_id: &RoundId) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(format!(".{round_id}{ENDING}"));
    path.into()
}

fn round_of(ledger: &Path, path: &Path) -> Option<RoundId> {
    let name = path.file_name()?.to_str()?;
    let rest = name.strip_prefix(ledger.file_name()?.to_str()?)?;
    let round_id: RoundId = rest.strip_prefix('.')?.strip_suffix(ENDING)?.parse().ok()?;
    // Only what is written here is removed here.
    (file_of(ledger, &round_id).file_name() == path.file_name()).then_some(round_id)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// At most one byte more than expected: enough to see that it is another.
fn read(path: &Path, expected: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let room = file.metadata()?.len().min(expected);
    let mut body = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
    file.take(expected.saturating_add(1))
        .read_to_end(&mut body)?;
    Ok(body)
}

fn check(body: &[u8], layout: &BlockLayout, committed: &Commitment) -> Result<(), Fault> {
    if body.len() as u64 != layout.total_bytes() {
        return Err(Fault::Length {
            expected: layout.total_bytes(),
        });
    }
    let mut commitment = CommitmentBuilder::masked_update();
    let mut rest = body;
    for bytes in layout.indices().filter_map(|index| layout.bytes(index)) {
        let (block, others) = rest.split_at(bytes.min(rest.len()));
        commitment.push(block);
        rest = others;
    }
    if Commitment(commitment.root()) == *committed {
        Ok(())
    } else {
        Err(Fault::Changed)
    }
}

fn rows(connection: &Connection, round_id: &RoundId) -> rusqlite::Result<Vec<u8>> {
    let mut parts =
        connection.prepare("SELECT bytes FROM masked_updates WHERE round_id = ?1 ORDER BY part")?;
    let mut rows = parts.query(params![round_id.as_bytes()])?;
    let mut body = Vec::new();
    while let Some(row) = rows.next()? {
        body.extend_from_slice(row.get_ref(0)?.as_blob()?);
    }
    Ok(body)
}

fn is_outbox_free(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM contributions WHERE in_outbox = 1 AND state = 'sealed')",
        [],
        |row| row.get(0),
    )
}

fn is_awaited(connection: &Connection, round_id: &RoundId) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM contributions \
         WHERE round_id = ?1 AND state = 'sealed' AND in_outbox = 0)",
        params![round_id.as_bytes()],
        |row| row.get(0),
    )
}

/// What is wrong with the masked update of a spent contribution.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is gone.
    #[error("is missing")]
    Missing,
    /// It was cut off, or grew.
    #[error("is not {expected} bytes long, as it was sealed")]
    Length {
        /// Packed bytes of the round's vectors.
        expected: u64,
    },
    /// Its bytes are not those that the contribution's header commits to.
    #[error("was changed since it was sealed")]
    Changed,
    /// It can't be read.
    #[error("can't be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

const ENDING: &str = ".masked";
