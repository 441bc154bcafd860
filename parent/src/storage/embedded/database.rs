//! The rounds' records and small blobs in one SQLite file.
//!
//! A write-ahead log, so that a commit is one append and one fsync, and readers wait for
//! nobody. `synchronous=FULL` makes that fsync part of each commit.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use sealsum_protocol::{ClientId, RoundId};

use super::commits::Commits;
use super::folder::{failed, if_there, sync_folder};
use crate::storage::keys::{ACCEPTANCE, UPLOAD};
use crate::storage::{ACCEPTANCES_AT_A_TIME, Blob, Record, StorageError};

/// The open database. Its methods block.
pub(super) struct Database {
    path: PathBuf,
    /// One statement at a time, each of microseconds.
    reader: Mutex<Connection>,
    pub(super) commits: Commits,
}

impl Database {
    /// Opens or makes the database in this folder, which no other process has.
    pub(super) fn open(root: &Path) -> Result<Self, StorageError> {
        let path = root.join(FILE);
        let mut writer = prepare(&path)?;
        super::import::import(root, &mut writer).map_err(|error| match error {
            super::import::ImportError::Sql(source) => sql(&path)(source),
            super::import::ImportError::Storage(error) => error,
        })?;
        let reader = Connection::open(&path).map_err(sql(&path))?;
        make_durable(&reader).map_err(sql(&path))?;
        Ok(Self {
            commits: Commits::start(writer, &path)?,
            path,
            reader: Mutex::new(reader),
        })
    }

    pub(super) fn rounds_with(&self, record: Record) -> Result<Vec<RoundId>, StorageError> {
        let (kind, _) = record.key();
        self.read(|connection| {
            connection
                .prepare_cached("SELECT round_id FROM records WHERE kind = ?1 ORDER BY round_id")?
                .query_map(params![kind], |row| Ok(RoundId::new(row.get(0)?)))?
                .collect()
        })
    }

    pub(super) fn record(
        &self,
        round: RoundId,
        record: Record,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let (kind, client) = record.key();
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT value FROM records WHERE kind = ?1 AND round_id = ?2 AND client = ?3",
                )?
                .query_row(params![kind, round.as_bytes(), client], |row| row.get(0))
                .optional()
        })
    }

    pub(super) fn acceptances(
        &self,
        round: RoundId,
        after: Option<ClientId>,
    ) -> Result<Vec<(ClientId, Vec<u8>)>, StorageError> {
        // A client's id is longer than nothing, and so comes after it.
        let after = after.map_or_else(Vec::new, |client| client.as_bytes().to_vec());
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT client, value FROM records
                     WHERE kind = ?1 AND round_id = ?2 AND client > ?3
                     ORDER BY client LIMIT ?4",
                )?
                .query_map(
                    params![ACCEPTANCE, round.as_bytes(), after, ACCEPTANCES_AT_A_TIME],
                    |row| Ok((ClientId::new(row.get(0)?), row.get(1)?)),
                )?
                .collect()
        })
    }

    /// A small blob's content.
    pub(super) fn blob(&self, round: RoundId, blob: Blob) -> Result<Option<Vec<u8>>, StorageError> {
        let (kind, which) = blob.key();
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT content FROM blobs WHERE round_id = ?1 AND kind = ?2 AND which = ?3",
                )?
                .query_row(params![round.as_bytes(), kind, which], |row| row.get(0))
                .optional()
        })
    }

    pub(super) fn has_blob(&self, round: RoundId, blob: Blob) -> Result<bool, StorageError> {
        let (kind, which) = blob.key();
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM blobs WHERE round_id = ?1 AND kind = ?2 AND which = ?3",
                )?
                .exists(params![round.as_bytes(), kind, which])
        })
    }

    pub(super) fn has_uploads(&self, round: RoundId) -> Result<bool, StorageError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM blobs WHERE round_id = ?1 AND kind = ?2")?
                .exists(params![round.as_bytes(), UPLOAD])
        })
    }

    /// Clients with a small upload, in order.
    pub(super) fn uploads(&self, round: RoundId) -> Result<Vec<ClientId>, StorageError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT which FROM blobs WHERE round_id = ?1 AND kind = ?2 ORDER BY which",
                )?
                .query_map(params![round.as_bytes(), UPLOAD], |row| {
                    Ok(ClientId::new(row.get(0)?))
                })?
                .collect()
        })
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        work(&self.reader()).map_err(sql(&self.path))
    }

    /// Statements leave nothing half-done in a connection that only reads.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection for writing, to tables of this version.
fn prepare(path: &Path) -> Result<Connection, StorageError> {
    let at_fault = sql(path);
    // Names of clients and what they sent are for the operator's eyes.
    let new = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    new.map_err(failed("create", path))?;
    let mut connection = Connection::open(path).map_err(&at_fault)?;
    let version: i64 = pragma(&connection, "user_version").map_err(&at_fault)?;
    let application: i64 = pragma(&connection, "application_id").map_err(&at_fault)?;
    match (application, version) {
        (APPLICATION_ID, VERSION) => make_durable(&connection).map_err(&at_fault)?,
        (APPLICATION_ID, WITHOUT_BLOBS) => {
            make_durable(&connection).map_err(&at_fault)?;
            add_tables(&mut connection, BLOBS).map_err(&at_fault)?;
        }
        (APPLICATION_ID, found) => {
            return Err(StorageError::Version {
                path: path.to_owned(),
                found,
                known: VERSION,
            });
        }
        (0, 0) => make_tables(&mut connection, path)?,
        _ => return Err(StorageError::Foreign(path.to_owned())),
    }
    Ok(connection)
}

/// Whether the file is a parent's database of a version that is known, by its first bytes:
/// <https://sqlite.org/fileformat2.html#the_database_header>.
pub(super) fn recognise(root: &Path) -> Result<(), StorageError> {
    let path = root.join(FILE);
    let Some(file) = if_there(File::open(&path)).map_err(failed("open", &path))? else {
        return Ok(());
    };
    let mut head = [0; 100];
    let read = file.read_at(&mut head, 0).map_err(failed("read", &path))?;
    let number = |at: usize| {
        let bytes = head.get(at..at + 4).and_then(|four| four.try_into().ok());
        i64::from(i32::from_be_bytes(bytes.unwrap_or_default()))
    };
    match (number(68), number(60)) {
        // Empty, as SQLite leaves one that nothing was written to.
        _ if read == 0 => Ok(()),
        _ if read < head.len() || !head.starts_with(b"SQLite format 3\0") => {
            Err(StorageError::Foreign(path))
        }
        // Its tables may still be in the log.
        (0, 0) | (APPLICATION_ID, WITHOUT_BLOBS..=VERSION) => Ok(()),
        (APPLICATION_ID, found) => Err(StorageError::Version {
            path,
            found,
            known: VERSION,
        }),
        _ => Err(StorageError::Foreign(path)),
    }
}

fn make_tables(connection: &mut Connection, path: &Path) -> Result<(), StorageError> {
    let at_fault = sql(path);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(&at_fault)?;
    if tables != 0 {
        return Err(StorageError::Foreign(path.to_owned()));
    }
    make_durable(connection).map_err(&at_fault)?;
    add_tables(connection, &format!("{RECORDS}{BLOBS}")).map_err(at_fault)?;
    // SQLite syncs what it makes beside its file, not its file's own name.
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// What is missing of this version's tables.
fn add_tables(connection: &mut Connection, missing: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.execute_batch(missing)?;
    transaction.commit()
}

fn make_durable(connection: &Connection) -> rusqlite::Result<()> {
    // A copy being made by another program is waited for.
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

pub(super) fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> StorageError + use<> {
    let path = path.to_owned();
    move |source| StorageError::Sql {
        path: path.clone(),
        source: Arc::new(source),
    }
}

/// In the data folder.
pub(super) const FILE: &str = "rounds.db";
/// Marks an SQLite file as a parent's: "Slpa" as a big-endian integer.
const APPLICATION_ID: i64 = 0x536c_7061;
const VERSION: i64 = 2;
/// All blobs were files then.
const WITHOUT_BLOBS: i64 = 1;

/// The key begins with the kind: the rounds are found without reading past their records.
const RECORDS: &str = "
CREATE TABLE records (
    kind     TEXT NOT NULL,
    round_id BLOB NOT NULL CHECK (length(round_id) = 32),
    client   BLOB NOT NULL CHECK (length(client) IN (0, 32)),
    value    BLOB NOT NULL,
    PRIMARY KEY (kind, round_id, client)
) STRICT, WITHOUT ROWID;
";

/// Rows in the order of their coming: a table in the order of random names would have each of them
/// change a page of its own.
const BLOBS: &str = "
CREATE TABLE blobs (
    round_id BLOB NOT NULL CHECK (length(round_id) = 32),
    kind     TEXT NOT NULL,
    which    BLOB NOT NULL,
    content  BLOB NOT NULL,
    UNIQUE (round_id, kind, which)
) STRICT;
";
