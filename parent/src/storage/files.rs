//! Storage in plain files: temporary name, fsync, rename, fsync of the folder.
//!
//! One folder a round, one file a value. Temporary files live in a folder of their
//! own that is emptied at start, so that a crash's leftovers are never mistaken for
//! content.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealsum_protocol::{ClientId, RoundId};

use super::{
    Blob, BlobReader, BlobWriter, Pending, Record, Storage, StorageError, StoredBlob, blocking,
};

/// Files under one folder, which belongs to this process while it runs.
#[derive(Clone)]
pub struct Files(Arc<Folder>);

struct Folder {
    root: PathBuf,
    temporary_names: AtomicU64,
    /// Held, not read: the lock ends with the process.
    _lock: File,
}

impl Files {
    /// Opens or makes the folder, and clears what a crash has left half-written.
    ///
    /// # Errors
    /// [`StorageError::Locked`] if another parent uses it, [`StorageError::Io`].
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        make_folder(&root.join(ROUNDS))?;
        let lock_path = root.join("lock");
        let lock = File::create(&lock_path).map_err(failed("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StorageError::Locked(root.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &lock_path)(source)),
        }
        let temporary = root.join(TEMPORARY);
        match fs::remove_dir_all(&temporary) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(failed("empty", &temporary)(source));
            }
            _ => make_folder(&temporary)?,
        }
        Ok(Self(Arc::new(Folder {
            root: root.to_owned(),
            temporary_names: AtomicU64::new(0),
            _lock: lock,
        })))
    }

    /// File work blocks, so it runs beside the threads that serve requests.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, StorageError> + Send + 'static,
    ) -> Pending<'static, T> {
        let folder = Arc::clone(&self.0);
        Box::pin(blocking(move || work(&folder)))
    }
}

impl Storage for Files {
    fn rounds(&self) -> Pending<'_, Vec<RoundId>> {
        self.blocking(|folder| {
            let mut rounds: Vec<RoundId> = names(&folder.root.join(ROUNDS), "")?;
            rounds.retain(|round| folder.record_path(*round, Record::State).is_file());
            Ok(rounds)
        })
    }

    fn put(&self, round: RoundId, record: Record, value: Vec<u8>) -> Pending<'_, ()> {
        self.blocking(move |folder| {
            let temporary = folder.temporary();
            write_synced(&temporary.0, &value).map_err(failed("write", &temporary.0))?;
            publish(temporary, &folder.record_path(round, record))
        })
    }

    fn record(&self, round: RoundId, record: Record) -> Pending<'_, Option<Vec<u8>>> {
        self.blocking(move |folder| {
            let path = folder.record_path(round, record);
            if_there(fs::read(&path)).map_err(failed("read", &path))
        })
    }

    fn remove(&self, round: RoundId, record: Record) -> Pending<'_, ()> {
        self.blocking(move |folder| remove_file(&folder.record_path(round, record)))
    }

    fn accepted(&self, round: RoundId) -> Pending<'_, Vec<ClientId>> {
        self.blocking(move |folder| {
            names(
                &folder.round_path(round).join(ACCEPTANCES),
                ACCEPTANCE_ENDING,
            )
        })
    }

    fn uploads(&self, round: RoundId) -> Pending<'_, Vec<ClientId>> {
        self.blocking(move |folder| names(&folder.round_path(round).join(UPLOADS), UPLOAD_ENDING))
    }

    fn write_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Box<dyn BlobWriter>> {
        self.blocking(move |folder| {
            let (temporary, path) = (folder.temporary(), folder.blob_path(round, blob));
            let file = File::create(&temporary.0).map_err(failed("create", &temporary.0))?;
            let writer: Box<dyn BlobWriter> = Box::new(FileWriter {
                file,
                temporary,
                path,
            });
            Ok(writer)
        })
    }

    fn blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Option<StoredBlob>> {
        self.blocking(move |folder| {
            let path = folder.blob_path(round, blob);
            let Some(file) = if_there(File::open(&path)).map_err(failed("open", &path))? else {
                return Ok(None);
            };
            let metadata = file.metadata().map_err(failed("measure", &path))?;
            Ok(Some(StoredBlob {
                bytes: metadata.len(),
                reader: Arc::new(FileReader(file)),
            }))
        })
    }

    fn remove_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, ()> {
        self.blocking(move |folder| remove_file(&folder.blob_path(round, blob)))
    }
}

struct FileWriter {
    file: File,
    temporary: Temporary,
    path: PathBuf,
}

impl BlobWriter for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file
            .write_all(bytes)
            .map_err(failed("write", &self.temporary.0))
    }

    fn commit(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(blocking(move || {
            let Self {
                file,
                temporary,
                path,
            } = *self;
            file.sync_all().map_err(failed("sync", &temporary.0))?;
            drop(file);
            publish(temporary, &path)
        }))
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

impl Folder {
    fn temporary(&self) -> Temporary {
        let name = self.temporary_names.fetch_add(1, Ordering::Relaxed);
        Temporary(self.root.join(TEMPORARY).join(name.to_string()))
    }

    fn round_path(&self, round: RoundId) -> PathBuf {
        self.root.join(ROUNDS).join(round.to_string())
    }

    fn record_path(&self, round: RoundId, record: Record) -> PathBuf {
        let round = self.round_path(round);
        match record {
            Record::State => round.join("state.json"),
            Record::Evidence => round.join("evidence.cbor"),
            Record::Acceptance(client) => round
                .join(ACCEPTANCES)
                .join(format!("{client}{ACCEPTANCE_ENDING}")),
            Record::Closing => round.join("closing.cbor"),
            Record::Receipt => round.join("receipt.cbor"),
            Record::AbortReceipt => round.join("abort-receipt.cbor"),
        }
    }

    fn blob_path(&self, round: RoundId, blob: Blob) -> PathBuf {
        let round = self.round_path(round);
        match blob {
            Blob::Upload(client) => round.join(UPLOADS).join(format!("{client}{UPLOAD_ENDING}")),
            Blob::MaskedSum => round.join("masked-sum.bin"),
            Blob::Aggregate => round.join("aggregate.bin"),
        }
    }
}

fn write_synced(path: &Path, value: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(value)?;
    file.sync_all()
}

/// A synced file's rename, and fsync of the folder: after that, and not before, it is there.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the temporary name ends here"
)]
fn publish(temporary: Temporary, path: &Path) -> Result<(), StorageError> {
    let folder = path.parent().unwrap_or(path);
    make_folder(folder)?;
    fs::rename(&temporary.0, path).map_err(failed("rename to", path))?;
    sync_folder(folder)
}

fn remove_file(path: &Path) -> Result<(), StorageError> {
    match if_there(fs::remove_file(path)).map_err(failed("remove", path))? {
        Some(()) => sync_folder(path.parent().unwrap_or(path)),
        None => Ok(()),
    }
}

/// Makes the folder and those above it; each new entry is made durable.
fn make_folder(path: &Path) -> Result<(), StorageError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    if let Some(parent) = parent {
        make_folder(parent)?;
    }
    match fs::create_dir(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("create", path)(source))
        }
        _ => sync_folder(parent.unwrap_or(Path::new("."))),
    }
}

fn sync_folder(path: &Path) -> Result<(), StorageError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("sync", path))
}

/// The ids that files of one ending are named after, in order. Other names are not ours.
fn names<T: std::str::FromStr + Ord>(folder: &Path, ending: &str) -> Result<Vec<T>, StorageError> {
    let Some(entries) = if_there(fs::read_dir(folder)).map_err(failed("list", folder))? else {
        return Ok(Vec::new());
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed("list", folder))?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(ending));
        ids.extend(id.and_then(|id| id.parse().ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(source),
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

const ROUNDS: &str = "rounds";
const TEMPORARY: &str = "temporary";
const ACCEPTANCES: &str = "acceptances";
const ACCEPTANCE_ENDING: &str = ".cbor";
const UPLOADS: &str = "uploads";
const UPLOAD_ENDING: &str = ".upload";
