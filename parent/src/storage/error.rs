//! Why storage failed.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;
use sealsum_protocol::RoundId;
use tokio_postgres::error::SqlState;

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
    /// A setting is missing, or can't be used with the others.
    #[error("storage.{key}: {problem}")]
    Setting {
        /// The key, in the section `storage`.
        key: &'static str,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// A file of certificates that can't be used.
    #[error("the certificates of {path} can't be used: {source}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database could not be asked, or declined.
    #[error("the database, to {action}: {}", causes(source))]
    Database {
        /// What was tried.
        action: &'static str,
        /// What it said, or why it said nothing.
        source: tokio_postgres::Error,
    },
    /// No connection to the database came free in time.
    #[error("the database, to {action}: no connection came free in time ({detail})")]
    NoConnection {
        /// What was tried.
        action: &'static str,
        /// The pool's words.
        detail: Box<dyn Error + Send + Sync>,
    },
    /// The database has tables of a later parent.
    #[error(
        "the database's tables are of version {found}, and this parent knows version {known}: start the parent that made them, or a later one"
    )]
    Tables {
        /// Their version.
        found: i32,
        /// This parent's.
        known: i32,
    },
    /// The object store could not be asked, or declined.
    #[error("the object store, to {action} {object}: {}", causes(source))]
    Object {
        /// What was tried.
        action: &'static str,
        /// The object's key.
        object: String,
        /// What it said, or why it said nothing.
        source: object_store::Error,
    },
    /// Another parent holds the round's lease by now, or this one never did.
    #[error(
        "this parent does not hold the lease of round {0}: another one works it, and nothing was written"
    )]
    Fenced(RoundId),
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
            Self::Database { source, .. } => source.code() == Some(&SqlState::DISK_FULL),
            _ => false,
        }
    }

    /// Whether another start may do: what was out of reach may answer, who held the folder may be gone,
    /// a full disk may have room.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Locked(_) => true,
            Self::Io { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotADirectory
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::AlreadyExists
                    | io::ErrorKind::ReadOnlyFilesystem
            ),
            Self::Sql { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
            ),
            error => error.passes(),
        }
    }

    /// Whether it is about a database or bucket that parents share, not about a folder.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(
            self,
            Self::Database { .. }
                | Self::NoConnection { .. }
                | Self::Tables { .. }
                | Self::Object { .. }
                | Self::Certificates { .. }
                | Self::Setting { .. }
        )
    }

    /// Whether it may be otherwise a moment later: a server is out of reach or starting, a
    /// connection broke, time ran out.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::NoConnection { .. } => true,
            // Class 08 is the connection's, 40 transactions', 53 resources', 57 the operator's.
            Self::Database { source, .. } => source.code().is_none_or(|code| {
                let class = code.code().get(..2).unwrap_or_default();
                ["08", "40", "53", "55", "57"].contains(&class) && !self.is_full()
            }),
            Self::Object { source, .. } => {
                matches!(source, object_store::Error::Generic { .. })
            }
            _ => false,
        }
    }
}

/// An error and what caused it: those of network libraries say little alone.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let further = error.to_string();
        if !text.contains(&further) {
            text.push_str(": ");
            text.push_str(&further);
        }
        cause = error.source();
    }
    text
}
