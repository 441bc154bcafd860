//! The ledger: what this data set has spent, and the authority on it (I11, I12).
//!
//! One SQLite file per identity and trust, made with the identity and bound to it. A ledger that is
//! missing or another identity's is refused and never made anew: it would forget what was spent.
//! Beside it lie the masked updates of contributions that were not accepted yet, and the acceptance that
//! the ledger takes over with its next change.
//! It trusts the disk to keep what it acknowledged, and its owner not to restore an old copy.

mod acceptance;
mod epoch;
mod fingerprint;
mod in_place;
mod lock;
mod masked_update;
mod record;
mod refund;
mod schema;
mod spend;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use sealsum_attestation::Trust;
use sealsum_protocol::{ClientId, RoundId};

use crate::identity::Identity;
use crate::secret_file::sync_folder;
use acceptance::Noted;
use fingerprint::FingerprintKey;
use lock::Lock;

pub use acceptance::AcceptanceRefused;
pub use fingerprint::Fingerprint;
pub use masked_update::Fault as MaskedUpdateFault;
pub use record::{Record, RecordState};
pub use refund::RefundRefused;
pub use spend::{Debit, Shared, SpendRefused, SpentBefore, SpentContribution};

/// An open ledger; no other process can open it meanwhile.
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    client: ClientId,
    trust: Trust,
    fingerprints: FingerprintKey,
    /// An acceptance that is on the disk, and not in the tables yet.
    noted: Option<Noted>,
    _lock: Lock,
}

impl Ledger {
    /// Opens the ledger of an identity for rounds of that trust.
    ///
    /// # Errors
    /// [`LedgerError`] if it is missing, another identity's, or in use.
    pub fn open(identity: &Identity, trust: Trust) -> Result<Self, LedgerError> {
        let path = path(identity, trust);
        if !path.exists() {
            return Err(LedgerError::Missing(path));
        }
        // Whoever else can write here can put an older ledger in its place.
        for guarded in [identity.folder(), &path] {
            let mode = std::fs::metadata(guarded)
                .map_err(|error| LedgerError::io(&path, error))?
                .mode();
            if mode & 0o022 != 0 {
                return Err(LedgerError::Writable(guarded.to_owned()));
            }
        }
        let lock = Lock::take(&path)?;
        let at_fault = LedgerError::sql(&path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(&at_fault)?;
        schema::make_durable(&connection).map_err(&at_fault)?;
        let foreign = || LedgerError::Foreign(path.clone());
        let version = version(&connection).map_err(&at_fault)?;
        let version = version.ok_or_else(foreign)?;
        if !schema::is_known(version) {
            return Err(LedgerError::Version {
                path,
                found: version,
            });
        }
        if !is_ours(&connection, identity, trust).map_err(&at_fault)? {
            return Err(foreign());
        }
        schema::migrate(&mut connection).map_err(at_fault)?;
        masked_update::remove_orphans(&path, &connection)?;
        let mut ledger = Self {
            connection,
            path,
            client: identity.client_id(),
            trust,
            fingerprints: FingerprintKey::derive(identity.seed()),
            noted: None,
            _lock: lock,
        };
        in_place::settle_names(&ledger.path)
            .map_err(|error| LedgerError::io(&ledger.path, error))?;
        ledger.read_noted()?;
        Ok(ledger)
    }

    /// Makes the ledger of a new identity. Called by [`Identity::create`] alone.
    pub(crate) fn create(identity: &Identity, trust: Trust) -> Result<(), LedgerError> {
        let path = path(identity, trust);
        // Which rounds a site takes part in is its own business: for its owner's eyes.
        let new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match new {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(LedgerError::Exists(path));
            }
            Err(error) => return Err(LedgerError::io(&path, error)),
        }
        let at_fault = LedgerError::sql(&path);
        let mut connection = Connection::open(&path).map_err(&at_fault)?;
        let filled = schema::make_durable(&connection).and_then(|()| {
            let transaction = connection.transaction()?;
            transaction.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", schema::VERSION)?;
            transaction.execute_batch(schema::TABLES)?;
            transaction.execute_batch(schema::EPOCHS)?;
            transaction.execute_batch(schema::FINGERPRINTS)?;
            transaction.execute_batch(schema::OUTBOX)?;
            transaction.execute(
                "INSERT INTO ledger (one, client, ledger_id, trust) VALUES (1, ?1, ?2, ?3)",
                params![
                    identity.client_id().as_bytes(),
                    identity.ledger_id(),
                    trust.as_str()
                ],
            )?;
            transaction.commit()
        });
        filled.map_err(&at_fault)?;
        sync_folder(&path).map_err(|error| LedgerError::io(&path, error))
    }

    /// Whose ledger this is.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client
    }

    /// For rounds of which trust.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// The contribution to a round.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger can't be read.
    pub fn record(&self, round_id: &RoundId) -> Result<Option<Record>, LedgerError> {
        let columns = record::COLUMNS;
        self.connection
            .query_row(
                &format!("SELECT {columns} FROM contributions WHERE round_id = ?1"),
                params![round_id.as_bytes()],
                Record::read,
            )
            .optional()
            .map(|record| record.map(|record| self.with_noted(record)))
            .map_err(LedgerError::sql(&self.path))
    }

    /// Every contribution, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger can't be read.
    pub fn records(&self) -> Result<Vec<Record>, LedgerError> {
        let columns = record::COLUMNS;
        let all = || {
            self.connection
                .prepare(&format!(
                    "SELECT {columns} FROM contributions ORDER BY rowid"
                ))?
                .query_map([], Record::read)?
                .map(|record| record.map(|record| self.with_noted(record)))
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        all().map_err(LedgerError::sql(&self.path))
    }
}

fn path(identity: &Identity, trust: Trust) -> PathBuf {
    identity.folder().join(match trust {
        Trust::AwsNitro => "ledger.db",
        Trust::Mock => "ledger-mock.db",
    })
}

/// The version of the tables; `None` if this is no ledger at all.
fn version(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if pragma("application_id")? != schema::APPLICATION_ID {
        return Ok(None);
    }
    pragma("user_version").map(Some)
}

fn is_ours(connection: &Connection, identity: &Identity, trust: Trust) -> rusqlite::Result<bool> {
    let bound_to: Option<([u8; 32], [u8; 32], String)> = connection
        .query_row("SELECT client, ledger_id, trust FROM ledger", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    Ok(bound_to.is_some_and(|(client, ledger_id, of)| {
        client == *identity.client_id().as_bytes()
            && ledger_id == *identity.ledger_id()
            && of == trust.as_str()
    }))
}

/// Why a ledger can't be used. Nothing was recorded or sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// There is none.
    #[error(
        "the ledger {} is missing: it holds what this identity has spent and is never made anew; restore it, or begin a new identity for a new data set",
        .0.display()
    )]
    Missing(PathBuf),
    /// It belongs to another identity, or to rounds of another trust.
    #[error(
        "the ledger {} is not this identity's: restore the one that was made with the key",
        .0.display()
    )]
    Foreign(PathBuf),
    /// Written by a later program.
    #[error(
        "the ledger {} is of version {found}, and this program knows versions up to {}: use the `sealsum` that wrote it, or a later one",
        path.display(),
        schema::VERSION
    )]
    Version {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// It is being changed by another program, such as a copy or a database browser.
    #[error(
        "the ledger {} is in use by another program, such as a backup or a database browser; try again when that is done",
        .0.display()
    )]
    Busy(PathBuf),
    /// Not a database, or a damaged one.
    #[error(
        "the ledger {} is damaged or no ledger ({error}): what it held is not to be guessed, so nothing is sent. Restore the latest copy if no round was joined since, or begin a new identity for a new data set",
        path.display()
    )]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// SQLite's words.
        error: rusqlite::Error,
    },
    /// The masked update of a spent contribution is not what was committed.
    #[error(
        "the masked update that was sealed for round {round_id} {fault} ({}). Nothing was sent, and none is sealed anew, since it may have left this site before. Put the file back as it was and repeat the command. If it is lost, the round stays spent until it ended without this site: then `sealsum ledger refund` frees it by proof",
        path.display()
    )]
    MaskedUpdate {
        /// Its file; the ledger itself if a version before files sealed it.
        path: PathBuf,
        /// The round.
        round_id: RoundId,
        /// What is wrong.
        fault: MaskedUpdateFault,
    },
    /// Others than its owner can write to it, or to its folder.
    #[error(
        "{} can be written by others than its owner, who could put an older ledger in place; `chmod go-w` it",
        .0.display()
    )]
    Writable(PathBuf),
    /// Another process has it open.
    #[error("the ledger {} is in use by another process; try again when that is done", .0.display())]
    Locked(PathBuf),
    /// A ledger lies where a new one was to be made.
    #[error(
        "a ledger lies at {} already, without a key: choose another folder",
        .0.display()
    )]
    Exists(PathBuf),
    /// The disk.
    #[error("the ledger {}: {error}", path.display())]
    Io {
        /// The ledger.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// SQLite.
    #[error("the ledger {}: {error}", path.display())]
    Sql {
        /// The ledger.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
}

impl LedgerError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| {
            let path = path.clone();
            match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(path),
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    Self::Damaged { path, error }
                }
                _ => Self::Sql { path, error },
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
