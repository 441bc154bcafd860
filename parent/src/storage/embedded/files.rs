//! Large blobs in plain files: temporary name, fsync, rename, fsync of the folder.
//!
//! One folder a round, one file a blob. Temporary files live in a folder of their own
//! that is emptied at start, so that a crash's leftovers are never mistaken for content.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sealsum_protocol::{ClientId, RoundId};

use super::folder::{
    failed, if_there, make_folder, must_be_writable, names, remove_file, sync_folder,
};
use crate::storage::{Blob, BlobReader, StorageError, StoredBlob};

/// The files under one folder. Its methods block.
pub(super) struct Files {
    root: PathBuf,
    temporary_names: AtomicU64,
    /// Folders whose own names are durable. One that is merely there may be another
    /// thread's, half-way through its fsync.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Files {
    /// Clears what a crash has left half-written.
    pub(super) fn open(root: &Path) -> Result<Self, StorageError> {
        let rounds = root.join(ROUNDS);
        make_folder(&rounds)?;
        // Found out now, not by the first upload: its client spends what it sends.
        must_be_writable(&rounds)?;
        let temporary = root.join(TEMPORARY);
        match fs::remove_dir_all(&temporary) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(failed("empty", &temporary)(source));
            }
            _ => make_folder(&temporary)?,
        }
        must_be_writable(&temporary)?;
        Ok(Self {
            root: root.to_owned(),
            temporary_names: AtomicU64::new(0),
            durable: Mutex::default(),
        })
    }

    pub(super) fn uploads(&self, round: RoundId) -> Result<Vec<ClientId>, StorageError> {
        names(&self.round_path(round).join(UPLOADS), UPLOAD_ENDING)
    }

    pub(super) fn write(
        self: &Arc<Self>,
        round: RoundId,
        blob: Blob,
    ) -> Result<FileWriter, StorageError> {
        let (temporary, path) = (self.temporary(), self.blob_path(round, blob));
        let file = File::create(&temporary.0).map_err(failed("create", &temporary.0))?;
        Ok(FileWriter {
            files: Arc::clone(self),
            file,
            temporary,
            path,
        })
    }

    pub(super) fn open_blob(
        &self,
        round: RoundId,
        blob: Blob,
    ) -> Result<Option<StoredBlob>, StorageError> {
        let path = self.blob_path(round, blob);
        let Some(file) = if_there(File::open(&path)).map_err(failed("open", &path))? else {
            return Ok(None);
        };
        let metadata = file.metadata().map_err(failed("measure", &path))?;
        Ok(Some(StoredBlob {
            bytes: metadata.len(),
            reader: Arc::new(FileReader(file)),
        }))
    }

    pub(super) fn has(&self, round: RoundId, blob: Blob) -> Result<bool, StorageError> {
        let path = self.blob_path(round, blob);
        path.try_exists().map_err(failed("look for", &path))
    }

    pub(super) fn remove(&self, round: RoundId, blob: Blob) -> Result<(), StorageError> {
        remove_file(&self.blob_path(round, blob))
    }

    /// The round's folder with all that is in it; durable when this returns.
    pub(super) fn remove_round(&self, round: RoundId) -> Result<(), StorageError> {
        self.remove_all(&self.round_path(round))?;
        // Also if it was not there: a crash may have come before its name's end was durable.
        sync_folder(&self.root.join(ROUNDS))
    }

    pub(super) fn remove_uploads(&self, round: RoundId) -> Result<(), StorageError> {
        let path = self.round_path(round);
        match self.remove_all(&path.join(UPLOADS))? {
            Some(()) => sync_folder(&path),
            None => Ok(()),
        }
    }

    /// A folder with what is in it, if it is there.
    fn remove_all(&self, path: &Path) -> Result<Option<()>, StorageError> {
        // Forgotten first: whatever is written there later makes its folder anew.
        self.durable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|folder| !folder.starts_with(path));
        if_there(fs::remove_dir_all(path)).map_err(failed("remove", path))
    }

    /// A synced file's rename, and fsync of the folder: after that, and not before, it is there.
    fn publish(&self, temporary: &Temporary, path: &Path) -> Result<(), StorageError> {
        let folder = path.parent().unwrap_or(path);
        self.make_durable(folder)?;
        fs::rename(&temporary.0, path).map_err(failed("rename to", path))?;
        sync_folder(folder)
    }

    /// Makes a folder that is not there; its name is durable when this returns.
    fn make_durable(&self, folder: &Path) -> Result<(), StorageError> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.contains(folder) {
            return Ok(());
        }
        make_folder(folder)?;
        if durable.len() >= REMEMBERED {
            durable.clear();
        }
        durable.insert(folder.to_owned());
        Ok(())
    }

    fn temporary(&self) -> Temporary {
        let name = self.temporary_names.fetch_add(1, Ordering::Relaxed);
        Temporary(self.root.join(TEMPORARY).join(name.to_string()))
    }

    fn round_path(&self, round: RoundId) -> PathBuf {
        self.root.join(ROUNDS).join(round.to_string())
    }

    fn blob_path(&self, round: RoundId, blob: Blob) -> PathBuf {
        let round = self.round_path(round);
        match blob {
            Blob::Upload(client) => round.join(UPLOADS).join(format!("{client}{UPLOAD_ENDING}")),
            Blob::MaskedSum => round.join("masked-sum.bin"),
            Blob::Aggregate => round.join("aggregate.bin"),
            Blob::AggregatePart(first) => round.join(format!("aggregate-from-{first}.bin")),
        }
    }
}

/// A file that is a blob once it is committed.
pub(super) struct FileWriter {
    files: Arc<Files>,
    file: File,
    temporary: Temporary,
    path: PathBuf,
}

impl FileWriter {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file
            .write_all(bytes)
            .map_err(failed("write", &self.temporary.0))
    }

    pub(super) fn commit(self) -> Result<(), StorageError> {
        self.file
            .sync_all()
            .map_err(failed("sync", &self.temporary.0))?;
        self.files.publish(&self.temporary, &self.path)
    }
}

struct FileReader(File);

impl BlobReader for FileReader {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

/// A file that goes when this does, unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename it is not there any more; a leftover goes at the next start.
        let _ = fs::remove_file(&self.0);
    }
}

/// The folder of the rounds' folders, in the data folder.
pub(super) const ROUNDS: &str = "rounds";
const TEMPORARY: &str = "temporary";
const UPLOADS: &str = "uploads";
const UPLOAD_ENDING: &str = ".upload";
/// Folders remembered as durable: those of far more rounds than run at a time.
const REMEMBERED: usize = 4096;
