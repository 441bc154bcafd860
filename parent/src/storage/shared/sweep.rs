//! Objects that no blob names are removed some hours after that began: readers that have one open
//! go on, and an upload that is under way is not taken for what a crash left.

use super::database::{Database, failed};
use super::objects::Objects;
use crate::storage::StorageError;

/// Removes some of them. Parents that do so at the same time take different ones.
pub(super) async fn sweep(database: &Database, objects: &Objects) -> Result<(), StorageError> {
    const ACTION: &str = "find objects to remove";
    let mut connection = database.connection(ACTION).await?;
    let transaction = connection.transaction().await.map_err(failed(ACTION))?;
    let found = async {
        let statement = "SELECT object FROM sealsum.objects
                         WHERE since < clock_timestamp() - make_interval(secs => $1)
                         LIMIT $2 FOR UPDATE SKIP LOCKED";
        let statement = transaction.prepare_cached(statement).await?;
        transaction
            .query(&statement, &[&AFTER_SECONDS, &AT_A_TIME])
            .await
    };
    let mut removed: Vec<String> = Vec::new();
    for row in found.await.map_err(failed(ACTION))? {
        let object: String = row.get(0);
        objects.remove(&object).await?;
        removed.push(object);
    }
    if removed.is_empty() {
        return Ok(());
    }
    let forgotten = async {
        let statement = "DELETE FROM sealsum.objects WHERE object = ANY ($1)";
        let statement = transaction.prepare_cached(statement).await?;
        transaction.execute(&statement, &[&removed]).await?;
        transaction.commit().await
    };
    forgotten.await.map_err(failed(ACTION))
}

/// Six hours: longer than any upload or reading.
const AFTER_SECONDS: f64 = 6.0 * 3600.0;
/// Each is a request, and renewals of leases wait for them.
const AT_A_TIME: i64 = 16;
