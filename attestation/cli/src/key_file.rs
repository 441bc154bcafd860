//! A publisher's key file: decides who may have been able to read it.
//!
//! Written once, readable by its owner alone, never overwritten; one that the group or others can read
//! is refused (I10).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use getrandom::SysRng;
use getrandom::rand_core::TryRng as _;
use sealsum_attestation::PublisherSigner;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::file;

/// Makes a new key and its file.
pub(crate) fn create(path: &Path) -> Result<PublisherSigner, Failure> {
    file::refuse_existing(path)?;
    let mut seed = Zeroizing::new([0; 32]);
    SysRng
        .try_fill_bytes(&mut *seed)
        .map_err(|error| Failure::configuration("randomness", &error))?;
    let mut digits = Zeroizing::new([0; 64]);
    hex::encode_to_slice(*seed, &mut *digits)
        .map_err(|error| Failure::configuration("key_file", &error))?;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(KIND)?;
            file.write_all(&*digits)?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
    written.map_err(|error| Failure::file(path, &error))?;
    Ok(PublisherSigner::from_secret(&seed))
}

/// Reads a key file.
pub(crate) fn read(path: &Path) -> Result<PublisherSigner, Failure> {
    let at_fault = |error: io::Error| Failure::file(path, &error);
    let file = File::open(path).map_err(at_fault)?;
    let mode = file.metadata().map_err(at_fault)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let detail = format!(
            "{} can be read by others than its owner (mode {mode:o}): make a new key, or if nobody can have read it, `chmod 600` it",
            path.display()
        );
        return Err(Failure::configuration("key_readable", &detail));
    }
    // Reserved whole, so that no half-filled copy is left behind by a growing buffer.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT));
    file.take(LIMIT as u64)
        .read_to_end(&mut bytes)
        .map_err(at_fault)?;
    let form = || {
        Failure::content(
            "key_file",
            path,
            &"is no publisher's key; `sealsum-attest publisher new` makes one",
        )
    };
    let digits = bytes.strip_prefix(KIND).ok_or_else(form)?;
    let digits = digits.strip_suffix(b"\n").unwrap_or(digits);
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, &mut *seed).map_err(|_| form())?;
    Ok(PublisherSigner::from_secret(&seed))
}

/// The file's first line, and the name of its one value.
const KIND: &[u8] = b"sealsum-publisher 1\nseed ";

/// The file has 90 bytes.
const LIMIT: usize = 128;
