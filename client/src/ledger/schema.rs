//! The ledger's tables, and the settings that make a commit mean "on the disk".

use rusqlite::Connection;

/// Marks an SQLite file as a ledger of this project: "Slum" as a big-endian integer.
pub(super) const APPLICATION_ID: i64 = 0x536c_756d;
/// Version of the tables.
pub(super) const VERSION: i64 = 5;
/// The first one, which had no epochs.
const WITHOUT_EPOCHS: i64 = 1;
/// The second one, which had neither fingerprints nor whole models.
const WITHOUT_FINGERPRINTS: i64 = 2;
/// The third one had masked updates in rows alone, the fourth one a file for each. An older program
/// would look there, and take what it does not find for nothing to send or for lost.
const WITHOUT_OUTBOX: i64 = 4;

/// Whether tables of that version can be brought to this one.
pub(super) fn is_known(version: i64) -> bool {
    (WITHOUT_EPOCHS..=VERSION).contains(&version)
}

/// One row a contribution, never deleted. The two partial indexes say what "spent" means; a row
/// that repeats a spent round is marked as an unproven retry, and those are counted.
pub(super) const TABLES: &str = "
CREATE TABLE ledger (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    client    BLOB NOT NULL CHECK (length(client) = 32),
    ledger_id BLOB NOT NULL CHECK (length(ledger_id) = 32),
    trust     TEXT NOT NULL CHECK (trust IN ('aws-nitro', 'mock'))
) STRICT;

CREATE TABLE contributions (
    round_id       BLOB PRIMARY KEY CHECK (length(round_id) = 32),
    task           TEXT NOT NULL,
    round_number   INTEGER NOT NULL,
    base_model     BLOB NOT NULL CHECK (length(base_model) = 32),
    state          TEXT NOT NULL CHECK (state IN ('sealed', 'accepted', 'summed', 'refunded')),
    unproven_retry INTEGER NOT NULL CHECK (unproven_retry IN (0, 1)),
    sealed_at      INTEGER NOT NULL,
    clamped        INTEGER NOT NULL,
    binding        BLOB NOT NULL,
    contribution   BLOB NOT NULL CHECK (length(contribution) = 32),
    header         BLOB NOT NULL,
    acceptance     BLOB,
    proof          BLOB
) STRICT;

CREATE UNIQUE INDEX spent_round_number ON contributions (task, round_number)
    WHERE state <> 'refunded' AND unproven_retry = 0;
CREATE UNIQUE INDEX spent_base_model ON contributions (task, base_model)
    WHERE state <> 'refunded' AND unproven_retry = 0;

-- Of before version 4; since then each is a file.
CREATE TABLE masked_updates (
    round_id BLOB NOT NULL REFERENCES contributions (round_id),
    part     INTEGER NOT NULL,
    bytes    BLOB NOT NULL,
    PRIMARY KEY (round_id, part)
) STRICT;
";

/// Added with version 2: the highest epoch sealed under, for each task and authority.
pub(super) const EPOCHS: &str = "
CREATE TABLE registry_epochs (
    task      TEXT NOT NULL,
    authority BLOB NOT NULL CHECK (length(authority) = 32),
    epoch     INTEGER NOT NULL,
    PRIMARY KEY (task, authority)
) STRICT;
";

/// Added with version 3: what an update was, and the base model's file before any selection. Of
/// older contributions the selection is not known; most had none, and then the two digests are one.
pub(super) const FINGERPRINTS: &str = "
ALTER TABLE contributions ADD COLUMN whole_model BLOB CHECK (length(whole_model) = 32);
ALTER TABLE contributions ADD COLUMN fingerprint BLOB CHECK (length(fingerprint) = 32);
UPDATE contributions SET whole_model = base_model;
CREATE UNIQUE INDEX spent_whole_model ON contributions (task, whole_model)
    WHERE state <> 'refunded' AND unproven_retry = 0;
";

/// Added with version 5: whether the masked update lies in the outbox, not in a file of its own.
pub(super) const OUTBOX: &str = "
ALTER TABLE contributions ADD COLUMN in_outbox INTEGER NOT NULL DEFAULT 0
    CHECK (in_outbox IN (0, 1));
";

/// Brings an older ledger to this version, whole or not at all; what it holds stays.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found <= WITHOUT_EPOCHS {
        transaction.execute_batch(EPOCHS)?;
    }
    if found <= WITHOUT_FINGERPRINTS {
        transaction.execute_batch(FINGERPRINTS)?;
    }
    if found <= WITHOUT_OUTBOX {
        transaction.execute_batch(OUTBOX)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

/// A commit is on the disk when it returns, and with it the journal's end: the bytes of a
/// contribution may leave right after. The journal stays as a file whose head is overwritten and synced, so
/// that no commit waits for names to be made and removed. It holds nothing between commits: the ledger is
/// one file, no write-ahead log that a copy could forget.
///
/// A commit waits for the disk four times, and each is needed: for the journal's pages, then for their
/// number, without which they are never rolled back; for the ledger's pages; and for the journal's head, or
/// a crash would take back what was committed.
pub(super) fn make_durable(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "PERSIST")?;
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.pragma_update(None, "foreign_keys", true)
}
