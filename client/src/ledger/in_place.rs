//! Files of one name that are written over in place: the masked update that is on its way, and the
//! acceptance that the ledger takes over with its next change.
//!
//! A file that is made and removed for each contribution costs its file system two more commits, for
//! its name and its room, and each of those waits for the disk. What is half-written when a process
//! ends stands for nothing: that is for whoever reads it to see.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::secret_file::sync_folder;

/// The masked update on its way.
pub(super) fn outbox(ledger: &Path) -> PathBuf {
    beside(ledger, ".outbox")
}

/// The last acceptance of what was in the outbox.
pub(super) fn acceptance(ledger: &Path) -> PathBuf {
    beside(ledger, ".acceptance")
}

/// Makes these the file's bytes; they are on the disk when this returns.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (file, is_new) = open(path)?;
    file.write_all_at(bytes, 0)?;
    if file.metadata()?.len() != bytes.len() as u64 {
        file.set_len(bytes.len() as u64)?;
    }
    // What it takes to read them again, its length too, and no time stamps.
    file.sync_data()?;
    if is_new { sync_folder(path) } else { Ok(()) }
}

/// Makes names that are there durable: the process that made them may have ended before it could.
pub(super) fn settle_names(ledger: &Path) -> io::Result<()> {
    let there = [outbox(ledger), acceptance(ledger)];
    if there.iter().any(|path| path.exists()) {
        sync_folder(ledger)?;
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok((options.create_new(true).open(path)?, true))
        }
        opened => Ok((opened?, false)),
    }
}

fn beside(ledger: &Path, ending: &str) -> PathBuf {
    let mut path = ledger.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
