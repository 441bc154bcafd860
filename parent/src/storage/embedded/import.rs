//! A data folder of before the database, whose records were files beside the blobs: they are
//! taken into the database at open, and removed once they are durable there.
//!
//! Cut anywhere, it is done again. A record that the database has is the newer one.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, Transaction, params};
use sealsum_protocol::{ClientId, RoundId};

use super::files::ROUNDS;
use super::folder::{failed, if_there, names, sync_folder};
use crate::storage::{Record, StorageError};

pub(super) enum ImportError {
    Sql(rusqlite::Error),
    Storage(StorageError),
}

impl From<rusqlite::Error> for ImportError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sql(source)
    }
}

impl From<StorageError> for ImportError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

pub(super) fn import(root: &Path, connection: &mut Connection) -> Result<(), ImportError> {
    let rounds = root.join(ROUNDS);
    for round in names::<RoundId>(&rounds, "")? {
        let folder = rounds.join(round.to_string());
        let transaction = connection.transaction()?;
        let records = take_in(round, &folder, &transaction)?;
        transaction.commit()?;
        if records > 0 {
            remove(&folder)?;
            tracing::info!(round_id = %round, records, "a round's files were taken into the database");
        }
    }
    Ok(())
}

/// How many records there were.
fn take_in(
    round: RoundId,
    folder: &Path,
    transaction: &Transaction<'_>,
) -> Result<u64, ImportError> {
    let mut records = 0;
    let mut take = |record: Record, path: &Path| {
        let stored = if_there(fs::read(path)).map_err(failed("read", path))?;
        let Some(value) = stored else {
            return Ok(());
        };
        let (kind, client) = record.key();
        transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO records (kind, round_id, client, value)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![kind, round.as_bytes(), client, value])?;
        records += 1;
        Ok::<_, ImportError>(())
    };
    for (name, record) in SINGLE {
        take(record, &folder.join(name))?;
    }
    let acceptances = folder.join(ACCEPTANCES);
    for client in names::<ClientId>(&acceptances, ENDING)? {
        let path = acceptances.join(format!("{client}{ENDING}"));
        take(Record::Acceptance(client), &path)?;
    }
    Ok(records)
}

/// They are in the database, so losing some of these names in a crash does no harm.
fn remove(folder: &Path) -> Result<(), StorageError> {
    let acceptances = folder.join(ACCEPTANCES);
    if_there(fs::remove_dir_all(&acceptances)).map_err(failed("remove", &acceptances))?;
    for (name, _) in SINGLE {
        let path = folder.join(name);
        if_there(fs::remove_file(&path)).map_err(failed("remove", &path))?;
    }
    sync_folder(folder)
}

const SINGLE: [(&str, Record); 5] = [
    ("state.json", Record::State),
    ("evidence.cbor", Record::Evidence),
    ("closing.cbor", Record::Closing),
    ("receipt.cbor", Record::Receipt),
    ("abort-receipt.cbor", Record::AbortReceipt),
];
const ACCEPTANCES: &str = "acceptances";
const ENDING: &str = ".cbor";
