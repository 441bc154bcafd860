//! Blobs on their way into the object store: a file of their own until they are committed, so
//! that memory is bounded whatever their size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealsum_protocol::RoundId;

use super::Opened;
use super::names::{self, Named};
use crate::storage::{Blob, BlobWriter, Pending, StorageError};

/// The folder.
pub(super) struct Spool(PathBuf);

impl Spool {
    pub(super) fn open(folder: &Path) -> Result<Self, StorageError> {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        Ok(Self(folder.to_owned()))
    }

    /// A file without a name: it is gone with its last reader, or with the process.
    fn file(&self, name: &str) -> Result<File, StorageError> {
        let path = self.0.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("create", &path))?;
        fs::remove_file(&path).map_err(failed("unlink", &path))?;
        Ok(file)
    }
}

/// A blob being written.
pub(super) struct SpooledWriter {
    opened: Arc<Opened>,
    round: RoundId,
    blob: Blob,
    /// The object's name, drawn for this one.
    name: String,
    file: File,
    bytes: u64,
}

impl SpooledWriter {
    pub(super) fn new(
        opened: Arc<Opened>,
        round: RoundId,
        blob: Blob,
    ) -> Result<Self, StorageError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| failed("draw a name in", &opened.spool.0)(io::Error::other(error)))?;
        // Random first: stores spread load by the beginning of a key.
        let name = format!("{}-{round}", hex::encode(random));
        Ok(Self {
            file: opened.spool.file(&name)?,
            opened,
            round,
            blob,
            name,
            bytes: 0,
        })
    }
}

impl BlobWriter for SpooledWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let spooled = self.file.write_all(bytes);
        spooled.map_err(failed("write to", &self.opened.spool.0))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn commit(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(async move {
            let Self {
                opened,
                round,
                blob,
                name,
                file,
                bytes,
            } = *self;
            let token = opened.leases.token(round)?;
            let object = opened.objects.key(&name);
            names::announce(&opened.database, &object).await?;
            let file = Arc::new(file);
            let read = move |start: u64, length: usize| {
                let mut piece = vec![0; length];
                file.read_exact_at(&mut piece, start)?;
                Ok(piece)
            };
            opened.objects.upload(&object, bytes, read).await?;
            let named = names::name(&opened.database, round, blob, (&object, bytes), token).await?;
            match named {
                Named::Done => Ok(()),
                Named::Fenced => opened.leases.still_held(round, token, false),
                Named::TooLate => Err(failed("upload within some hours from", &opened.spool.0)(
                    io::ErrorKind::TimedOut.into(),
                )),
            }
        })
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError + use<> {
    let path = path.to_owned();
    move |source| StorageError::Io {
        action,
        path,
        source,
    }
}
