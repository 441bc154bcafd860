//! Files that commands read and write.

mod kind;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sealsum_protocol::canonical;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) use kind::{Expected, kind_of};

use crate::failure::Failure;

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.part", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    // A name that is there already, a link above all, is not ours to write to.
    let written = File::create_new(&unfinished)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&unfinished);
        Failure::file(path, &error)
    })
}

/// Refuses to write where something lies already.
pub(super) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    let detail = format!("{} exists already and is not overwritten", path.display());
    Err(Failure::configuration("exists", &detail))
}

/// Reads a message of the protocol; another file is named for what it is.
pub(super) fn read_message<T: Serialize + DeserializeOwned>(
    path: &Path,
    expected: &Expected,
) -> Result<T, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    canonical::decode(&bytes).map_err(|_| expected.but_found(path, &bytes))
}
