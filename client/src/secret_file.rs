//! Files that hold a secret: decides who may have been able to read them.
//!
//! Written once, readable by their owner alone, never overwritten; a file that the group or others
//! can read is refused. The content is one line per value, `name hex`, behind a line that names the kind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Writes a new secret file, durably. `values` are 32 bytes each.
pub(crate) fn create(
    path: &Path,
    kind: &str,
    values: &[(&str, &[u8; 32])],
) -> Result<(), KeyFileError> {
    let at_fault = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::io(path, error),
    };
    let mut text = Zeroizing::new(Vec::with_capacity(TEXT_LIMIT));
    text.extend_from_slice(kind.as_bytes());
    text.push(b'\n');
    for (name, value) in values {
        text.extend_from_slice(name.as_bytes());
        text.push(b' ');
        let mut hex = Zeroizing::new([0; 64]);
        hex::encode_to_slice(value, &mut *hex).map_err(|_| KeyFileError::form(path, kind))?;
        text.extend_from_slice(&*hex);
        text.push(b'\n');
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(at_fault)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(path))
        .map_err(at_fault)
}

/// Reads the values of a secret file, in the order of `names`.
pub(crate) fn read<const N: usize>(
    path: &Path,
    kind: &str,
    names: [&str; N],
) -> Result<[Zeroizing<[u8; 32]>; N], KeyFileError> {
    let at_fault = |error| KeyFileError::io(path, error);
    let file = File::open(path).map_err(at_fault)?;
    let mode = file.metadata().map_err(at_fault)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Readable {
            path: path.to_owned(),
            mode,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(TEXT_LIMIT));
    file.take(TEXT_LIMIT as u64)
        .read_to_end(&mut bytes)
        .map_err(at_fault)?;
    let form = || KeyFileError::form(path, kind);
    let mut lines = core::str::from_utf8(&bytes).map_err(|_| form())?.lines();
    if lines.next() != Some(kind) {
        return Err(form());
    }
    let mut values = core::array::from_fn(|_| Zeroizing::new([0; 32]));
    for (value, name) in values.iter_mut().zip(names) {
        let (found, hex) = lines
            .next()
            .and_then(|line| line.split_once(' '))
            .ok_or_else(form)?;
        if found != name {
            return Err(form());
        }
        hex::decode_to_slice(hex, &mut **value).map_err(|_| form())?;
    }
    match lines.next() {
        None => Ok(values),
        Some(_) => Err(form()),
    }
}

/// Makes a new name in a folder survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(folder_of(path))?.sync_all()
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Why a key file can't be used or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is one already.
    #[error("{} exists already and is not overwritten; choose another name", .0.display())]
    Exists(PathBuf),
    /// Others than its owner could read it.
    #[error(
        "{} can be read by others than its owner (mode {mode:o}): make a new key, or if nobody can have read it, `chmod 600` it",
        path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not a key file of that kind.
    #[error("{} is not a key file of the kind {kind:?}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Its first line should be this.
        kind: String,
    },
    /// The file can't be opened, read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl KeyFileError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    fn form(path: &Path, kind: &str) -> Self {
        Self::Form {
            path: path.to_owned(),
            kind: kind.to_owned(),
        }
    }
}

/// A kind and two named values are about 170 bytes. The whole is reserved at once, so that no
/// half-filled copy is left behind by a growing buffer.
const TEXT_LIMIT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "sealsum-test 1";

    #[test]
    fn what_was_written_is_read_back_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, KIND, &[("seed", &[7; 32]), ("ledger", &[8; 32])]).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let [seed, ledger] = read(&path, KIND, ["seed", "ledger"]).unwrap();
        assert_eq!((*seed, *ledger), ([7; 32], [8; 32]));
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, KIND, &[("seed", &[7; 32])]).unwrap();
        let again = create(&path, KIND, &[("seed", &[9; 32])]);
        assert!(matches!(again, Err(KeyFileError::Exists(_))));
        assert_eq!(*read(&path, KIND, ["seed"]).unwrap()[0], [7; 32]);
    }

    #[test]
    fn a_key_that_the_group_or_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, KIND, &[("seed", &[7; 32])]).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read(&path, KIND, ["seed"]);
            assert!(
                matches!(refused, Err(KeyFileError::Readable { .. })),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn another_kind_name_length_or_a_further_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, KIND, &[("seed", &[7; 32])]).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        assert!(read(&path, "sealsum-other 1", ["seed"]).is_err());
        assert!(read(&path, KIND, ["ledger"]).is_err());
        assert!(read(&path, KIND, ["seed", "ledger"]).is_err());
        let bad = [
            good.trim_end().strip_suffix('7').unwrap().to_owned(),
            good.replace('0', "g"),
            format!("{good}seed 00\n"),
            String::new(),
        ];
        for text in bad {
            fs::write(&path, &text).unwrap();
            let refused = read(&path, KIND, ["seed"]);
            assert!(
                matches!(refused, Err(KeyFileError::Form { .. })),
                "{text:?}"
            );
        }
    }
}
