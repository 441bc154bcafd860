//! Why storage failed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;
use sealsum_protocol::RoundId;

use super::{Blob, Record};

/// Why storage failed. The operator is to look; the caller may try again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The system declined.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite declined. Changes that it was given together failed together.
    #[error("the database {path}: {source}")]
    Sql {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// The thread that commits is gone: a fault of the parent's own.
    #[error("nothing is written to the database {0} any more: restart the parent")]
    Stopped(PathBuf),
    /// A later parent's database.
    #[error(
        "the database {path} is of version {found}, and this parent knows version {known}: start the parent that wrote it, or a later one"
    )]
    Version {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// This parent's.
        known: i64,
    },
    /// Another program's database.
    #[error("the database {0} is not a parent's: choose another folder")]
    Foreign(PathBuf),
    /// Another parent uses this folder.
    #[error("another parent uses {0}; one folder belongs to one parent")]
    Locked(PathBuf),
    /// A record that does not decode.
    #[error("the stored {record:?} of round {round_id} does not decode")]
    Damaged {
        /// The round.
        round_id: RoundId,
        /// Which record.
        record: Record,
    },
    /// A blob that ended early while it was read.
    #[error("the stored {blob:?} of round {round_id} can't be read: {source}")]
    Unreadable {
        /// The round.
        round_id: RoundId,
        /// Which blob.
        blob: Blob,
        /// What the system said.
        source: io::Error,
    },
}

impl StorageError {
    /// Whether the medium is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            Self::Sql { source, .. } => source.sqlite_error_code() == Some(ErrorCode::DiskFull),
            _ => false,
        }
    }
}
