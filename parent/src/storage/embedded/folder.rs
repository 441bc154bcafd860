//! Names in folders that are there after a crash, or are not.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::storage::StorageError;

/// Makes the folder and those above it. Their names are durable when this returns, whoever
/// made them: the entry of one that is there is synced too.
pub(super) fn make_folder(path: &Path) -> Result<(), StorageError> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    if !path.is_dir() {
        if let Some(parent) = parent {
            make_folder(parent)?;
        }
        // Names of files are names of clients: for the operator's eyes.
        match DirBuilder::new().mode(0o700).create(path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("create", path)(source));
            }
            _ => {}
        }
    }
    sync_folder(parent.unwrap_or(Path::new(".")))
}

/// Errs if this process could not read and change what is there.
pub(crate) fn must_be_writable(path: &Path) -> Result<(), StorageError> {
    let mut wanted = AccessFlags::R_OK | AccessFlags::W_OK;
    if path.is_dir() {
        wanted |= AccessFlags::X_OK;
    }
    access(path, wanted).map_err(|error| failed("write", path)(error.into()))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), StorageError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("sync", path))
}

pub(super) fn remove_file(path: &Path) -> Result<(), StorageError> {
    match if_there(fs::remove_file(path)).map_err(failed("remove", path))? {
        Some(()) => sync_folder(path.parent().unwrap_or(path)),
        None => Ok(()),
    }
}

/// The ids that entries of one ending are named after, in order. Other names are not ours.
pub(super) fn names<T: std::str::FromStr + Ord>(
    folder: &Path,
    ending: &str,
) -> Result<Vec<T>, StorageError> {
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

pub(super) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(source),
    }
}

pub(super) fn failed(
    action: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> StorageError + use<> {
    let path = path.to_owned();
    move |source| StorageError::Io {
        action,
        path,
        source,
    }
}
