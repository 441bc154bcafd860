//! The appraisal policy that pins this mock, written for those who test against it.
//!
//! Names the true measurement and root whatever faults are on, so that a fault shows
//! as the rejection it should lead to. Each file appears whole or not at all; the
//! root comes first, so that a policy never names a root that is not there. A file
//! that is there and says otherwise is somebody's: it stays, unless forced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sealsum_softnsm::Measurement;

/// Writes the policy to `path` and the root's PEM beside it; over other files only if
/// `force` is set.
///
/// # Errors
/// [`PolicyWriteError`].
pub(crate) fn write(
    path: &Path,
    measured: &Measurement,
    root_pem: &str,
    force: bool,
) -> Result<(), PolicyWriteError> {
    let root = path.with_extension(ROOT_EXTENSION);
    let name = root
        .file_name()
        .filter(|_| path.file_name().is_some())
        .and_then(|name| name.to_str())
        .ok_or_else(|| PolicyWriteError::Name(path.to_owned()))?;
    let policy = text(name, measured);
    if !force {
        refuse_other(&root, root_pem)?;
        refuse_other(path, &policy)?;
    }
    write_whole(&root, root_pem)?;
    write_whole(path, &policy)
}

/// Refuses a file that holds anything else than what is about to be written there.
fn refuse_other(path: &Path, text: &str) -> Result<(), PolicyWriteError> {
    match fs::read(path) {
        Ok(found) if found == text.as_bytes() => Ok(()),
        Ok(_) => Err(PolicyWriteError::Other(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(PolicyWriteError::Unwritable {
            path: path.to_owned(),
            source,
        }),
    }
}

fn text(root: &str, measured: &Measurement) -> String {
    // A JSON string is a TOML basic string.
    let root = serde_json::Value::from(root);
    let label = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let [pcr0, pcr1, pcr2] = [measured.pcr0, measured.pcr1, measured.pcr2].map(hex::encode);
    format!(
        "\
# Pins a MOCK, which protects nothing. Evidence under this policy is accepted only
# where --mock is given too. Written by {label}; a rebuilt mock measures otherwise.

# The mock's root, beside this file.
root = {root}
mock = true
max_age_seconds = 300
clock_skew_seconds = 10
allow_debug = false

[[measurement]]
label = \"{label}\"
pcr0 = \"{pcr0}\"
pcr1 = \"{pcr1}\"
pcr2 = \"{pcr2}\"
"
    )
}

fn write_whole(path: &Path, text: &str) -> Result<(), PolicyWriteError> {
    let aside = path.with_added_extension(format!("{}.new", std::process::id()));
    let written = write_aside(&aside, text)
        .and_then(|()| fs::rename(&aside, path))
        .and_then(|()| File::open(folder(path))?.sync_all());
    written.map_err(|source| {
        // What is left of it, if anything, is of no use.
        let _ = fs::remove_file(&aside);
        PolicyWriteError::Unwritable {
            path: path.to_owned(),
            source,
        }
    })
}

fn write_aside(aside: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The policy was not written. The caller's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PolicyWriteError {
    /// The path can't name a file in a policy.
    #[error("can't write a policy to {path}: expected a path that ends in a file's name, in UTF-8", path = .0.display())]
    Name(PathBuf),
    /// Something else lies there, and is not overwritten.
    #[error(
        "{path} is there and does not pin this mock: choose another path, or overwrite it with --force; with --state the root stays the same from start to start",
        path = .0.display()
    )]
    Other(PathBuf),
    /// The system says no.
    #[error("can't write {path}: {source}; the folder must exist and be writable", path = path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

const ROOT_EXTENSION: &str = "root.pem";

#[cfg(test)]
mod tests {
    use sealsum_attestation::{PolicyFile, Trust};
    use sealsum_softnsm::RootAuthority;

    use super::*;

    const MEASURED: Measurement = Measurement {
        pcr0: [0xa0; 48],
        pcr1: [0xa1; 48],
        pcr2: [0xa2; 48],
    };

    #[test]
    fn a_relying_party_can_use_what_was_written_and_gets_a_mock() {
        let dir = tempfile::tempdir().unwrap();
        let pem = RootAuthority::generate(1_767_472_867_402)
            .unwrap()
            .root_pem();
        for name in ["policy.toml", "bare", "o'dd \"na\\me\".toml"] {
            let path = dir.path().join(name);
            write(&path, &MEASURED, &pem, false).unwrap();
            let file = PolicyFile::parse(&fs::read_to_string(&path).unwrap()).unwrap();
            assert!(!file.allow_debug);
            let root = dir.path().join(file.root_path().unwrap());
            assert_eq!(root, path.with_extension("root.pem"));
            let pem = fs::read_to_string(root).unwrap();
            let policy = file.into_policy(Some(&pem)).unwrap();
            assert_eq!(policy.trust(), Trust::Mock);
            let [image] = policy.measurements() else {
                panic!("expected one image");
            };
            let expected: Vec<_> = image.expected().map(|(_, pcr)| pcr.to_string()).collect();
            assert_eq!(expected, ["a0", "a1", "a2"].map(|byte| byte.repeat(48)));
        }
    }

    #[test]
    fn nothing_but_the_two_files_stays_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        write(&path, &MEASURED, "root", false).unwrap();
        write(&path, &MEASURED, "another root", true).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["policy.root.pem", "policy.toml"]);
        let root = fs::read_to_string(dir.path().join("policy.root.pem")).unwrap();
        assert_eq!(root, "another root");
    }

    #[test]
    fn another_policy_or_root_stays_as_it_was_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        let root = dir.path().join("policy.root.pem");
        write(&path, &MEASURED, "root", false).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        write(&path, &MEASURED, "root", false).unwrap();

        let other = write(&path, &MEASURED, "another root", false).unwrap_err();
        assert!(matches!(&other, PolicyWriteError::Other(path) if *path == root));
        let rebuilt = Measurement {
            pcr0: [0xb0; 48],
            ..MEASURED
        };
        let other = write(&path, &rebuilt, "root", false).unwrap_err();
        assert!(matches!(&other, PolicyWriteError::Other(named) if *named == path));
        assert!(other.to_string().contains("--force"));
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert_eq!(fs::read_to_string(&root).unwrap(), "root");

        write(&path, &rebuilt, "root", true).unwrap();
        assert_ne!(fs::read_to_string(&path).unwrap(), first);
    }

    #[test]
    fn a_path_without_a_name_and_a_folder_that_is_not_there_are_named() {
        let nameless = write(Path::new("/"), &MEASURED, "root", false).unwrap_err();
        assert!(matches!(nameless, PolicyWriteError::Name(_)));
        let lost = Path::new("no/such/folder/p.toml");
        let lost = write(lost, &MEASURED, "root", false).unwrap_err();
        assert!(lost.to_string().contains("no/such/folder/p.root.pem"));
    }
}
