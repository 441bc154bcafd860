//! One process at a time: a lock beside the ledger, held as long as the ledger is open.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::LedgerError;

/// Held while it lives; the system releases it when the process ends, however it ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(ledger: &Path) -> Result<Self, LedgerError> {
        // Not the ledger itself: closing any descriptor of a file drops SQLite's own locks on it.
        let mut path = ledger.as_os_str().to_owned();
        path.push(".lock");
        let at_fault = |error| LedgerError::io(ledger, error);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(at_fault)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::Locked(ledger.to_owned())),
            Err(TryLockError::Error(error)) => Err(at_fault(error)),
        }
    }
}
