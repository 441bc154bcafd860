//! Which object is a blob's content: rows that change under the lease's token.

use sealsum_protocol::{ClientId, RoundId};

use super::database::{Database, failed};
use super::records::id;
use crate::storage::keys::UPLOAD;
use crate::storage::{Blob, Record, StorageError};

pub(super) async fn uploads(
    database: &Database,
    round: RoundId,
) -> Result<Vec<ClientId>, StorageError> {
    const ACTION: &str = "list uploads";
    let connection = database.connection(ACTION).await?;
    let found = async {
        let statement = "SELECT which FROM sealsum.blobs
                         WHERE kind = $1 AND round_id = $2 ORDER BY which";
        let statement = connection.prepare_cached(statement).await?;
        let round = round.as_bytes().as_slice();
        connection.query(&statement, &[&UPLOAD, &round]).await
    };
    let rows = found.await.map_err(failed(ACTION))?;
    let ids = rows.iter().filter_map(|row| id(row.get(0)));
    Ok(ids.map(ClientId::new).collect())
}

/// A blob's object and length.
pub(super) async fn find(
    database: &Database,
    round: RoundId,
    blob: Blob,
) -> Result<Option<(String, u64)>, StorageError> {
    const ACTION: &str = "find a blob";
    let (kind, which) = blob.key();
    let connection = database.connection(ACTION).await?;
    let found = async {
        let statement = "SELECT object, bytes FROM sealsum.blobs
                         WHERE kind = $1 AND round_id = $2 AND which = $3";
        let statement = connection.prepare_cached(statement).await?;
        let round = round.as_bytes().as_slice();
        connection
            .query_opt(&statement, &[&kind, &round, &which])
            .await
    };
    let row = found.await.map_err(failed(ACTION))?;
    Ok(row.map(|row| (row.get(0), row.get::<_, i64>(1).unsigned_abs())))
}

/// Notes an object that is about to be made. A crash from here on leaves a row, by which it is
/// removed.
pub(super) async fn announce(database: &Database, object: &str) -> Result<(), StorageError> {
    const ACTION: &str = "note an object";
    let connection = database.connection(ACTION).await?;
    let noted = async {
        let note = connection.prepare_cached(NOTE).await?;
        connection.execute(&note, &[&object]).await
    };
    noted.await.map(drop).map_err(failed(ACTION))
}

/// What came of naming an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It is the blob's content.
    Done,
    /// The token was not the lease's.
    Fenced,
    /// Its upload took so long that it was removed as a leftover.
    TooLate,
}

/// Makes an object the blob's content, in place of an earlier one.
pub(super) async fn name(
    database: &Database,
    round: RoundId,
    blob: Blob,
    (object, bytes): (&str, u64),
    token: i64,
) -> Result<Named, StorageError> {
    const ACTION: &str = "commit a blob";
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let (kind, which) = blob.key();
    let round = round.as_bytes().as_slice();
    let mut connection = database.connection(ACTION).await?;
    let named = async {
        let transaction = connection.transaction().await?;
        let held = "SELECT FROM sealsum.leases WHERE round_id = $1 AND token = $2 FOR SHARE";
        let held = transaction.prepare_cached(held).await?;
        if transaction
            .query_opt(&held, &[&round, &token])
            .await?
            .is_none()
        {
            return Ok(Named::Fenced);
        }
        let noted = "DELETE FROM sealsum.objects WHERE object = $1";
        let noted = transaction.prepare_cached(noted).await?;
        if transaction.execute(&noted, &[&object]).await? == 0 {
            return Ok(Named::TooLate);
        }
        let name = "INSERT INTO sealsum.blobs (kind, round_id, which, object, bytes)
                    VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT (kind, round_id, which) DO UPDATE
                    SET object = excluded.object, bytes = excluded.bytes, earlier = blobs.object
                    RETURNING earlier";
        let name = transaction.prepare_cached(name).await?;
        let row = transaction
            .query_one(&name, &[&kind, &round, &which, &object, &bytes])
            .await?;
        if let Some(earlier) = row.get::<_, Option<&str>>(0) {
            let note = transaction.prepare_cached(NOTE).await?;
            transaction.execute(&note, &[&earlier]).await?;
        }
        transaction.commit().await?;
        Ok(Named::Done)
    };
    named.await.map_err(failed(ACTION))
}

/// Whether the token was the lease's; nothing was changed if not.
pub(super) async fn remove(
    database: &Database,
    round: RoundId,
    blob: Blob,
    token: i64,
) -> Result<bool, StorageError> {
    const ACTION: &str = "remove a blob";
    let (kind, which) = blob.key();
    let connection = database.connection(ACTION).await?;
    let held = async {
        let statement = "WITH held AS
                             (SELECT 1 FROM sealsum.leases WHERE round_id = $2 AND token = $4 FOR SHARE),
                         removed AS
                             (DELETE FROM sealsum.blobs
                              WHERE kind = $1 AND round_id = $2 AND which = $3 AND EXISTS (SELECT FROM held)
                              RETURNING object),
                         noted AS
                             (INSERT INTO sealsum.objects (object, since)
                              SELECT object, clock_timestamp() FROM removed)
                         SELECT 1 FROM held";
        let statement = connection.prepare_cached(statement).await?;
        let round = round.as_bytes().as_slice();
        connection
            .query_opt(&statement, &[&kind, &round, &which, &token])
            .await
    };
    Ok(held.await.map_err(failed(ACTION))?.is_some())
}

/// As [`remove`], of all uploads of the round.
pub(super) async fn remove_uploads(
    database: &Database,
    round: RoundId,
    token: i64,
) -> Result<bool, StorageError> {
    remove_kinds(database, round, token, &[UPLOAD], &[]).await
}

/// As [`remove`], of all that the round has.
pub(super) async fn remove_round(
    database: &Database,
    round: RoundId,
    token: i64,
) -> Result<bool, StorageError> {
    remove_kinds(database, round, token, &Blob::KINDS, &Record::KINDS).await
}

/// Their objects are swept.
async fn remove_kinds(
    database: &Database,
    round: RoundId,
    token: i64,
    blobs: &[&str],
    records: &[&str],
) -> Result<bool, StorageError> {
    const ACTION: &str = "remove a round's blobs or records";
    let connection = database.connection(ACTION).await?;
    let held = async {
        let statement = "WITH held AS
                             (SELECT 1 FROM sealsum.leases WHERE round_id = $1 AND token = $2 FOR SHARE),
                         blobs AS
                             (DELETE FROM sealsum.blobs
                              WHERE kind = ANY ($3) AND round_id = $1 AND EXISTS (SELECT FROM held)
                              RETURNING object),
                         noted AS
                             (INSERT INTO sealsum.objects (object, since)
                              SELECT object, clock_timestamp() FROM blobs),
                         records AS
                             (DELETE FROM sealsum.records
                              WHERE kind = ANY ($4) AND round_id = $1 AND EXISTS (SELECT FROM held))
                         SELECT 1 FROM held";
        let statement = connection.prepare_cached(statement).await?;
        let round = round.as_bytes().as_slice();
        connection
            .query_opt(&statement, &[&round, &token, &blobs, &records])
            .await
    };
    Ok(held.await.map_err(failed(ACTION))?.is_some())
}

const NOTE: &str = "INSERT INTO sealsum.objects (object, since) VALUES ($1, clock_timestamp())";
