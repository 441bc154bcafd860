//! Files that commands read and write.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Reads a file, or standard input for `-`, of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let most = limit.saturating_add(1);
    let read = if path == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    let length = read.map_err(|error| Failure::file(path, &error))?;
    if length as u64 > limit {
        let detail = format!("{} has more than {limit} bytes", path.display());
        return Err(Failure::configuration("file_too_large", &detail));
    }
    Ok(bytes)
}

/// Reads a text file of at most [`TEXT_LIMIT`] bytes.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path, TEXT_LIMIT)?)
        .map_err(|_| Failure::content("file", path, &"is not UTF-8 text"))
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
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
pub(crate) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    let detail = format!(
        "{} exists already and is not overwritten; choose another name",
        path.display()
    );
    Err(Failure::configuration("exists", &detail))
}

/// A document has at most 17 KiB, an offer 64 KiB, either doubled as hexadecimal; policies and
/// endorsements are smaller.
pub(crate) const TEXT_LIMIT: u64 = 1 << 20;

/// Enclaves get at most the memory of their instance, and an image several times less.
pub(crate) const IMAGE_LIMIT: u64 = 8 << 30;
