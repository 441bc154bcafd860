//! Where a blob is kept: a small one is a row of the database, a large one a file.
//!
//! A small file costs two fsyncs of its own; rows that arrive together share one. A large row would
//! be written twice, to the log and then to its place.
//!
//! A blob that has both is the file. So a row becomes a file by the file's rename, and a file a row
//! by its removal: each is one step, and whoever looks sees the one before or the one after.

use std::io;
use std::sync::Arc;

use sealsum_protocol::{ClientId, RoundId};

use super::Opened;
use super::commits::Change;
use super::files::FileWriter;
use crate::storage::{Blob, BlobReader, BlobWriter, Pending, StorageError, StoredBlob, blocking};

impl Opened {
    pub(super) async fn uploads(
        self: &Arc<Self>,
        round: RoundId,
    ) -> Result<Vec<ClientId>, StorageError> {
        let _both = self.both.lock().await;
        let opened = Arc::clone(self);
        blocking(move || {
            let mut clients = opened.database.uploads(round)?;
            clients.extend(opened.files.uploads(round)?);
            clients.sort_unstable();
            clients.dedup();
            Ok(clients)
        })
        .await
    }

    pub(super) fn blob_writer(self: &Arc<Self>, round: RoundId, blob: Blob) -> Writer {
        Writer {
            opened: Arc::clone(self),
            round,
            blob,
            written: Written::Row(Vec::new()),
        }
    }

    pub(super) async fn open_blob(
        self: &Arc<Self>,
        round: RoundId,
        blob: Blob,
    ) -> Result<Option<StoredBlob>, StorageError> {
        if let Some(found) = self.look_for(round, blob).await? {
            return Ok(Some(found));
        }
        // One that came as a file after the first of the two looks, and was a row before.
        let _both = self.both.lock().await;
        self.look_for(round, blob).await
    }

    async fn look_for(
        self: &Arc<Self>,
        round: RoundId,
        blob: Blob,
    ) -> Result<Option<StoredBlob>, StorageError> {
        let opened = Arc::clone(self);
        blocking(move || {
            if let Some(file) = opened.files.open_blob(round, blob)? {
                return Ok(Some(file));
            }
            let row = opened.database.blob(round, blob)?;
            Ok(row.map(|row| StoredBlob {
                bytes: row.len() as u64,
                reader: Arc::new(Row(row)),
            }))
        })
        .await
    }

    pub(super) async fn remove_blob(
        self: &Arc<Self>,
        round: RoundId,
        blob: Blob,
    ) -> Result<(), StorageError> {
        // A row behind a file is an earlier content, or one that nobody was told of: it goes first,
        // so that it never comes to light.
        self.remove_row(round, blob).await?;
        let opened = Arc::clone(self);
        blocking(move || opened.files.remove(round, blob)).await
    }

    pub(super) async fn remove_uploads(
        self: &Arc<Self>,
        round: RoundId,
    ) -> Result<(), StorageError> {
        let has_rows = || {
            let opened = Arc::clone(self);
            blocking(move || opened.database.has_uploads(round))
        };
        while has_rows().await? {
            let commits = &self.database.commits;
            commits.change(round, Change::RemoveUploads).await?;
        }
        let opened = Arc::clone(self);
        blocking(move || opened.files.remove_uploads(round)).await
    }

    /// All blobs of the round. Rows go first, as in [`Self::remove_blob`].
    pub(super) async fn remove_blobs(self: &Arc<Self>, round: RoundId) -> Result<(), StorageError> {
        let commits = &self.database.commits;
        commits.change(round, Change::RemoveBlobs).await?;
        let opened = Arc::clone(self);
        blocking(move || opened.files.remove_round(round)).await
    }

    async fn remove_row(self: &Arc<Self>, round: RoundId, blob: Blob) -> Result<(), StorageError> {
        let opened = Arc::clone(self);
        if blocking(move || opened.database.has_blob(round, blob)).await? {
            let commits = &self.database.commits;
            commits.change(round, Change::RemoveBlob(blob)).await?;
        }
        Ok(())
    }

    async fn commit_row(
        self: Arc<Self>,
        round: RoundId,
        blob: Blob,
        content: Vec<u8>,
    ) -> Result<(), StorageError> {
        let commits = &self.database.commits;
        commits
            .change(round, Change::PutBlob(blob, content))
            .await?;
        let opened = Arc::clone(&self);
        if blocking(move || opened.files.has(round, blob)).await? {
            let _both = self.both.lock().await;
            let opened = Arc::clone(&self);
            blocking(move || match opened.database.has_blob(round, blob)? {
                true => opened.files.remove(round, blob),
                // A file that came meanwhile took its place.
                false => Ok(()),
            })
            .await?;
        }
        Ok(())
    }

    async fn commit_file(
        self: Arc<Self>,
        round: RoundId,
        blob: Blob,
        file: FileWriter,
    ) -> Result<(), StorageError> {
        let opened = Arc::clone(&self);
        let has_row = blocking(move || {
            file.commit()?;
            opened.database.has_blob(round, blob)
        });
        if has_row.await? {
            let _both = self.both.lock().await;
            let opened = Arc::clone(&self);
            if blocking(move || opened.files.has(round, blob)).await? {
                self.remove_row(round, blob).await?;
            }
        }
        Ok(())
    }
}

/// A blob being written.
pub(super) struct Writer {
    opened: Arc<Opened>,
    round: RoundId,
    blob: Blob,
    written: Written,
}

enum Written {
    Row(Vec<u8>),
    File(FileWriter),
}

impl BlobWriter for Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        if let Written::Row(row) = &mut self.written {
            if row.len() + bytes.len() <= SMALL {
                row.extend_from_slice(bytes);
                return Ok(());
            }
            let mut file = self.opened.files.write(self.round, self.blob)?;
            file.write(row)?;
            self.written = Written::File(file);
        }
        match &mut self.written {
            Written::File(file) => file.write(bytes),
            Written::Row(_) => Ok(()),
        }
    }

    fn commit(self: Box<Self>) -> Pending<'static, ()> {
        let Self {
            opened,
            round,
            blob,
            written,
        } = *self;
        match written {
            Written::Row(content) => Box::pin(opened.commit_row(round, blob, content)),
            Written::File(file) => Box::pin(opened.commit_file(round, blob, file)),
        }
    }
}

/// A small blob, read whole.
struct Row(Vec<u8>);

impl BlobReader for Row {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let found = usize::try_from(offset)
            .ok()
            .and_then(|start| self.0.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The longest row. Larger ones would hold up the commits of others, and files are as fast.
const SMALL: usize = 32 << 10;
