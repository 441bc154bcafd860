//! Records: one statement each, which writes only under the lease's token.
//!
//! `FOR SHARE` on the lease's row orders a write and a take-over: one waits for the other, so
//! whoever takes over reads all that was written before, and nothing is written after.

use sealsum_protocol::{ClientId, RoundId};

use super::database::{Database, failed};
use crate::storage::keys::ACCEPTANCE;
use crate::storage::{ACCEPTANCES_AT_A_TIME, Record, StorageError};

/// The ids that have a record of this kind.
pub(super) async fn rounds_with(
    database: &Database,
    record: Record,
) -> Result<Vec<RoundId>, StorageError> {
    const ACTION: &str = "list the rounds";
    let connection = database.connection(ACTION).await?;
    let found = async {
        let statement =
            "SELECT DISTINCT round_id FROM sealsum.records WHERE kind = $1 ORDER BY round_id";
        let statement = connection.prepare_cached(statement).await?;
        connection.query(&statement, &[&record.key().0]).await
    };
    let rows = found.await.map_err(failed(ACTION))?;
    let ids = rows.iter().filter_map(|row| id(row.get(0)));
    Ok(ids.map(RoundId::new).collect())
}

pub(super) async fn record(
    database: &Database,
    round: RoundId,
    record: Record,
) -> Result<Option<Vec<u8>>, StorageError> {
    const ACTION: &str = "read a record";
    let (kind, client) = record.key();
    let connection = database.connection(ACTION).await?;
    let found = async {
        let statement = "SELECT value FROM sealsum.records
                         WHERE kind = $1 AND round_id = $2 AND client = $3";
        let statement = connection.prepare_cached(statement).await?;
        let key: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&kind, &round.as_bytes().as_slice(), &client];
        connection.query_opt(&statement, &key).await
    };
    let row = found.await.map_err(failed(ACTION))?;
    Ok(row.map(|row| row.get(0)))
}

pub(super) async fn acceptances(
    database: &Database,
    round: RoundId,
    after: Option<ClientId>,
) -> Result<Vec<(ClientId, Vec<u8>)>, StorageError> {
    const ACTION: &str = "read acceptances";
    // A client's id is longer than nothing, and so comes after it.
    let after = after.map_or_else(Vec::new, |client| client.as_bytes().to_vec());
    let limit = i64::from(ACCEPTANCES_AT_A_TIME);
    let connection = database.connection(ACTION).await?;
    let found = async {
        let statement = "SELECT client, value FROM sealsum.records
                         WHERE kind = $1 AND round_id = $2 AND client > $3
                         ORDER BY client LIMIT $4";
        let statement = connection.prepare_cached(statement).await?;
        let round = round.as_bytes().as_slice();
        connection
            .query(&statement, &[&ACCEPTANCE, &round, &after, &limit])
            .await
    };
    let rows = found.await.map_err(failed(ACTION))?;
    let pairs = rows
        .iter()
        .filter_map(|row| Some((ClientId::new(id(row.get(0))?), row.get(1))));
    Ok(pairs.collect())
}

/// Whether the token was the lease's; nothing was written if not.
pub(super) async fn put(
    database: &Database,
    round: RoundId,
    record: Record,
    value: &[u8],
    token: i64,
) -> Result<bool, StorageError> {
    const ACTION: &str = "write a record";
    let (kind, client) = record.key();
    let connection = database.connection(ACTION).await?;
    let written = async {
        let statement = "WITH held AS
                             (SELECT 1 FROM sealsum.leases WHERE round_id = $2 AND token = $5 FOR SHARE)
                         INSERT INTO sealsum.records (kind, round_id, client, value)
                         SELECT $1, $2, $3, $4 FROM held
                         ON CONFLICT (kind, round_id, client) DO UPDATE SET value = excluded.value";
        let statement = connection.prepare_cached(statement).await?;
        let round = round.as_bytes().as_slice();
        connection
            .execute(&statement, &[&kind, &round, &client, &value, &token])
            .await
    };
    Ok(written.await.map_err(failed(ACTION))? == 1)
}

/// As [`put`].
pub(super) async fn remove(
    database: &Database,
    round: RoundId,
    record: Record,
    token: i64,
) -> Result<bool, StorageError> {
    const ACTION: &str = "remove a record";
    let (kind, client) = record.key();
    let connection = database.connection(ACTION).await?;
    let held = async {
        let statement = "WITH held AS
                             (SELECT 1 FROM sealsum.leases WHERE round_id = $2 AND token = $4 FOR SHARE),
                         removed AS
                             (DELETE FROM sealsum.records
                              WHERE kind = $1 AND round_id = $2 AND client = $3 AND EXISTS (SELECT FROM held))
                         SELECT 1 FROM held";
        let statement = connection.prepare_cached(statement).await?;
        let round = round.as_bytes().as_slice();
        connection
            .query_opt(&statement, &[&kind, &round, &client, &token])
            .await
    };
    Ok(held.await.map_err(failed(ACTION))?.is_some())
}

/// The tables take no other length.
pub(super) fn id(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}
