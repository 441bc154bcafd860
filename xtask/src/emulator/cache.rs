//! Where what is built once per machine is kept: outside the repository, by the digest of what it
//! is made from, whole or not at all.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The folder of this project among the user's caches.
pub(crate) fn root() -> Result<PathBuf> {
    let caches = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home =
                std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
            Path::new(&home).join(".cache")
        }
    };
    let root = std::path::absolute(caches)?.join("sealsum");
    made(&root)?;
    Ok(root)
}

/// The folder of `kind` for these inputs: as `build` left it in the folder that it is given, or
/// as an earlier call did.
///
/// One build at a time: whoever comes second waits, and finds it done.
pub(crate) fn built(
    kind: &str,
    inputs: &[&str],
    build: impl FnOnce(&Building) -> Result<()>,
) -> Result<PathBuf> {
    let folder = root()?.join(kind);
    made(&folder)?;
    let published = folder.join(digest(inputs));
    if published.is_dir() {
        return Ok(published);
    }
    let lock = File::create(folder.join("lock")).context("the cache can't be locked")?;
    lock.lock().context("the cache can't be locked")?;
    if published.is_dir() {
        return Ok(published);
    }
    remove_remains(&folder)?;
    let building = Building {
        folder: tempfile::Builder::new()
            .prefix(REMAINS)
            .tempdir_in(&folder)?,
    };
    made(&building.result())?;
    build(&building)?;
    fs::rename(building.result(), &published)
        .with_context(|| format!("publishing {}", published.display()))?;
    Ok(published)
}

/// A build that is under way.
pub(crate) struct Building {
    folder: TempDir,
}

impl Building {
    /// What is put here stays.
    pub(crate) fn result(&self) -> PathBuf {
        self.folder.path().join("result")
    }

    /// A folder that goes away with the build.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join(name);
        made(&folder)?;
        Ok(folder)
    }
}

/// The SHA-256 of a file, in hex.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let context = || format!("reading {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).with_context(context)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

pub(crate) fn made(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}

/// Names a list: each entry with its length, so that no two lists look alike.
fn digest(inputs: &[&str]) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        hash.update(format!("{}:{input}\n", input.len()));
    }
    let mut name = hex::encode(hash.finalize());
    name.truncate(NAME_LENGTH);
    name
}

/// Deletes what builds left that were cut off. Whoever holds the lock is the only builder.
fn remove_remains(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(REMAINS) {
            fs::remove_dir_all(entry.path())
                .with_context(|| format!("removing {}", entry.path().display()))?;
        }
    }
    Ok(())
}

const REMAINS: &str = "building-";
/// Hex digits: 80 bits, for folders that one machine has a handful of.
const NAME_LENGTH: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_join_to_the_same_text_have_different_names() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["ab"]), digest(&["ab", ""]));
        assert_eq!(digest(&["ab", "c"]), digest(&["ab", "c"]));
    }

    #[test]
    fn a_file_has_the_digest_that_sha256sum_says() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "abc").unwrap();
        assert_eq!(
            sha256(&file).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn remains_of_a_build_go_and_what_was_published_stays() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["building-x1", "0123"] {
            made(&folder.path().join(name).join("deep")).unwrap();
        }
        remove_remains(folder.path()).unwrap();
        assert!(!folder.path().join("building-x1").exists());
        assert!(folder.path().join("0123/deep").exists());
    }
}
