//! Storage that needs no set-up: records and small blobs in an SQLite file, large blobs in plain
//! files, all under one folder that belongs to one process.

mod blobs;
mod commits;
mod database;
mod files;
mod folder;
mod import;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use sealsum_protocol::{ClientId, RoundId};
use tokio::sync::Mutex;

use super::{Blob, BlobWriter, Pending, Record, Storage, StorageError, StoredBlob, blocking};
use commits::Change;
use database::Database;
use files::Files;
use folder::{failed, make_folder};

pub(crate) use folder::must_be_writable;

/// One folder, which belongs to this process while it runs.
#[derive(Clone)]
pub struct Embedded(Arc<Opened>);

/// Dropped in this order: the lock goes when nothing is written any more.
struct Opened {
    database: Database,
    files: Arc<Files>,
    /// Held by whoever takes a blob that is in both out of one, and by those who must not see that
    /// half-way.
    both: Mutex<()>,
    /// Held, not read: the lock ends with the process.
    _lock: File,
}

impl Embedded {
    /// Opens or makes the folder, and clears what a crash has left half-written. Blocks.
    ///
    /// # Errors
    /// [`StorageError::Locked`] if another parent uses it, and whatever the disk says.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        make_folder(root)?;
        let lock = lock(root)?;
        let files = Arc::new(Files::open(root)?);
        Ok(Self(Arc::new(Opened {
            database: Database::open(root)?,
            files,
            both: Mutex::new(()),
            _lock: lock,
        })))
    }

    /// Whether what the folder has is a parent's, as far as that can be seen without opening it.
    pub(crate) fn recognise(root: &Path) -> Result<(), StorageError> {
        database::recognise(root)
    }

    /// What blocks runs beside the threads that serve requests.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, StorageError> + Send + 'static,
    ) -> Pending<'static, T> {
        let opened = Arc::clone(&self.0);
        Box::pin(blocking(move || work(&opened)))
    }
}

impl Storage for Embedded {
    fn rounds_with(&self, record: Record) -> Pending<'_, Vec<RoundId>> {
        self.blocking(move |opened| opened.database.rounds_with(record))
    }

    fn put(&self, round: RoundId, record: Record, value: Vec<u8>) -> Pending<'_, ()> {
        let commits = &self.0.database.commits;
        commits.change(round, Change::Put(record, value))
    }

    fn record(&self, round: RoundId, record: Record) -> Pending<'_, Option<Vec<u8>>> {
        self.blocking(move |opened| opened.database.record(round, record))
    }

    fn remove(&self, round: RoundId, record: Record) -> Pending<'_, ()> {
        let commits = &self.0.database.commits;
        commits.change(round, Change::Remove(record))
    }

    fn acceptances(
        &self,
        round: RoundId,
        after: Option<ClientId>,
    ) -> Pending<'_, Vec<(ClientId, Vec<u8>)>> {
        self.blocking(move |opened| opened.database.acceptances(round, after))
    }

    fn uploads(&self, round: RoundId) -> Pending<'_, Vec<ClientId>> {
        Box::pin(self.0.uploads(round))
    }

    fn write_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Box<dyn BlobWriter>> {
        let writer: Box<dyn BlobWriter> = Box::new(self.0.blob_writer(round, blob));
        Box::pin(async { Ok(writer) })
    }

    fn blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Option<StoredBlob>> {
        Box::pin(self.0.open_blob(round, blob))
    }

    fn remove_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, ()> {
        Box::pin(self.0.remove_blob(round, blob))
    }

    fn remove_uploads(&self, round: RoundId) -> Pending<'_, ()> {
        Box::pin(self.0.remove_uploads(round))
    }

    fn remove_round(&self, round: RoundId) -> Pending<'_, ()> {
        Box::pin(async move {
            self.0.remove_blobs(round).await?;
            let commits = &self.0.database.commits;
            commits.change(round, Change::RemoveRecords).await
        })
    }
}

fn lock(root: &Path) -> Result<File, StorageError> {
    let path = root.join("lock");
    let lock = File::create(&path).map_err(failed("create", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked(root.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
    }
}
