//! Epochs: decides that an authority's registry is not one it has replaced (I2, I15).
//!
//! The highest epoch that this site has sealed under is kept for each task and authority, and is
//! recorded with the spend. A parent or operator that offers an older registry, with keys that were
//! removed since, is refused from then on; a site that never took part has nothing to compare with.

use rusqlite::{Connection, OptionalExtension as _, params};
use sealsum_protocol::{AuthorityKey, RegistryGrant, TaskName};

/// The highest epoch of an authority's registries that this site has sealed under.
pub(super) fn highest(
    connection: &Connection,
    task: &TaskName,
    authority: &AuthorityKey,
) -> rusqlite::Result<Option<u64>> {
    connection
        .query_row(
            "SELECT epoch FROM registry_epochs WHERE task = ?1 AND authority = ?2",
            params![task.as_str(), authority.as_bytes()],
            |row| row.get::<_, i64>(0).map(i64::cast_unsigned),
        )
        .optional()
}

/// Records the epoch of a grant that is not below the highest.
pub(super) fn record(
    connection: &Connection,
    task: &TaskName,
    grant: &RegistryGrant,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO registry_epochs (task, authority, epoch) VALUES (?1, ?2, ?3) \
         ON CONFLICT (task, authority) DO UPDATE SET epoch = excluded.epoch",
        params![
            task.as_str(),
            grant.authority.as_bytes(),
            // SQLite's integers are signed: the bits are kept, comparing is done above.
            grant.epoch.cast_signed()
        ],
    )?;
    Ok(())
}
