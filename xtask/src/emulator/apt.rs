//! Debian's packages and sources, fetched through an apt state of our own: the machine's list of
//! sources, its caches and what it has installed stay as they are.
//!
//! The mirrors are those that the machine already uses. They are trusted for nothing: whatever
//! comes from them is compared with a digest in our source.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::cache::{self, made};
use super::sources::{Entry, Release, parse};
use super::step;

/// A file of Debian's archive, pinned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinned {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: Kind,
    pub(crate) sha256: &'static str,
}

/// Which file of a package.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// The package itself.
    Binary,
    /// The upstream source that it is built from: the file's name.
    Source(&'static str),
}

/// The file, fetched now or earlier, with the digest that it must have.
pub(crate) fn fetch(pinned: &Pinned) -> Result<PathBuf> {
    let downloads = cache::root()?.join("downloads");
    made(&downloads)?;
    let kept = downloads.join(pinned.file_name());
    if kept.is_file() && cache::sha256(&kept)? == pinned.sha256 {
        return Ok(kept);
    }
    step(&format!("fetching {} {}", pinned.package, pinned.version));
    let folder = tempfile::tempdir_in(&downloads)?;
    let fetched = Apt::prepared()?
        .download(pinned, folder.path())
        .with_context(|| {
            format!(
                "{} {} can't be fetched; if Debian's mirrors no longer have it, put the file with the SHA-256 {} at {}",
                pinned.package,
                pinned.version,
                pinned.sha256,
                kept.display()
            )
        })?;
    keep(pinned, &fetched, &kept)?;
    Ok(kept)
}

/// Moves what was fetched to where it is trusted, if it is what it must be.
fn keep(pinned: &Pinned, fetched: &Path, kept: &Path) -> Result<()> {
    let found = cache::sha256(fetched)?;
    if found != pinned.sha256 {
        bail!(
            "{} {} has the SHA-256 {found}, expected {}: the mirror, or the way to it, changed it",
            pinned.package,
            pinned.version,
            pinned.sha256
        );
    }
    fs::rename(fetched, kept).with_context(|| format!("keeping {}", kept.display()))
}

impl Pinned {
    /// How it is kept: by its digest, so that another version is another file.
    fn file_name(&self) -> String {
        let ending = match self.kind {
            Kind::Binary => "deb",
            Kind::Source(_) => "orig.tar.xz",
        };
        format!("{}-{}.{ending}", self.package, &self.sha256[..16])
    }
}

/// apt with our own sources, lists and caches.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// With lists that are as new as this process: once for all files that it fetches.
    fn prepared() -> Result<Self> {
        let apt = Self {
            folder: cache::root()?.join("apt"),
        };
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            made(&apt.folder.join(folder))?;
        }
        let ours = extend(&machine_entries()?)?;
        let list = apt.folder.join("sealsum.sources");
        fs::write(&list, ours).with_context(|| format!("writing {}", list.display()))?;
        apt.run(&apt.folder, &["update"])?;
        Ok(apt)
    }

    fn download(&self, pinned: &Pinned, folder: &Path) -> Result<PathBuf> {
        let what = format!("{}={}", pinned.package, pinned.version);
        match pinned.kind {
            Kind::Binary => self.run(folder, &["download", &what])?,
            // The .dsc and what Debian adds may be gone from a mirror that still has this.
            Kind::Source(_) => {
                self.run(folder, &["source", "--download-only", "--tar-only", &what])?;
            }
        }
        let files = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
        let wanted = files.iter().find(|file| match pinned.kind {
            Kind::Binary => file.file_name().to_string_lossy().ends_with(".deb"),
            Kind::Source(name) => file.file_name() == name,
        });
        Ok(wanted.context("apt-get fetched no such file")?.path())
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> Result<()> {
        let option =
            |name: &str, path: &str| format!("{name}={}", self.folder.join(path).display());
        let output = Command::new("apt-get")
            .arg("-qq")
            .args(["-o", &option("Dir::State", "state")])
            .args(["-o", &option("Dir::Cache", "cache")])
            .args(["-o", &option("Dir::Etc::SourceList", "sealsum.sources")])
            .args(["-o", "Dir::Etc::SourceParts=-"])
            .args(["-o", "Dir::State::status=/var/lib/dpkg/status"])
            // The folders are the caller's own, and another user can't write there.
            .args(["-o", "APT::Sandbox::User="])
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .context("apt-get did not start: this builds from Debian 12's packages only")?;
        if !output.status.success() {
            bail!(
                "apt-get {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}

/// What the machine's own apt reads.
fn machine_entries() -> Result<Vec<Entry>> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut parts: Vec<_> = parts.filter_map(|part| Some(part.ok()?.path())).collect();
        parts.sort();
        files.extend(parts);
    }
    let mut entries = Vec::new();
    for file in files {
        let name = file.to_string_lossy().into_owned();
        if let Ok(text) = fs::read_to_string(&file) {
            entries.extend(parse(&name, &text));
        }
    }
    Ok(entries)
}

/// Our sources: the machine's mirrors, with the suites and kinds that we need.
fn extend(entries: &[Entry]) -> Result<String> {
    let mut ours = String::new();
    for release in [Release::Backports, Release::Security] {
        let entry = entries
            .iter()
            .find(|entry| entry.leads_to(release))
            .with_context(|| {
                format!(
                    "apt has no source with the suite {}: this builds from Debian 12's packages only",
                    release.found_beside()
                )
            })?;
        ours += &entry.stanza(release);
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
        Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
        Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n\
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";

    #[test]
    fn our_sources_are_the_machines_mirrors_with_backports_and_sources() {
        let ours = extend(&parse("debian.sources", DEBIAN)).unwrap();
        assert_eq!(
            ours,
            "Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\n\
             Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
             Types: deb deb-src\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\n\
             Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
        );
    }

    #[test]
    fn a_machine_of_another_release_is_told_so() {
        let entries = parse("debian.sources", &DEBIAN.replace("bookworm", "trixie"));
        let error = extend(&entries).unwrap_err().to_string();
        assert!(error.contains("suite bookworm:"), "{error}");
    }

    #[test]
    fn a_file_with_another_digest_is_not_kept() {
        let pinned = Pinned {
            package: "seabios",
            version: "1",
            kind: Kind::Binary,
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        };
        let folder = tempfile::tempdir().unwrap();
        let (fetched, kept) = (folder.path().join("fetched"), folder.path().join("kept"));
        fs::write(&fetched, "abd").unwrap();
        let error = keep(&pinned, &fetched, &kept).unwrap_err().to_string();
        assert!(
            error.contains("a52d159f262b2c6ddb724a61840befc3"),
            "{error}"
        );
        assert!(!kept.exists());

        fs::write(&fetched, "abc").unwrap();
        keep(&pinned, &fetched, &kept).unwrap();
        assert!(kept.exists());
    }

    #[test]
    fn each_version_is_a_file_of_its_own() {
        let file = |sha256| Pinned {
            package: "seabios",
            version: "1",
            kind: Kind::Binary,
            sha256,
        };
        let (one, two) = (file("0123456789abcdef00"), file("0123456789abcde000"));
        assert_eq!(one.file_name(), "seabios-0123456789abcdef.deb");
        assert_ne!(one.file_name(), two.file_name());
    }
}
