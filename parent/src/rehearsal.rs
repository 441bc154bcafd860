//! What a start would meet, found out without one: nothing is changed, and nobody is connected to.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use crate::access::Tokens;
use crate::config::{Config, Listener, TlsFiles};
use crate::parent::StartError;
use crate::storage::{Embedded, StorageError, must_be_writable};
use crate::tls;

/// One thing that a start needs.
#[derive(Debug)]
pub struct Finding {
    /// The setting that it is about.
    pub setting: String,
    /// How it is, or why a start would fail.
    pub found: Result<String, StartError>,
}

/// Whether a parent of this configuration runs already: what that one holds can't be had twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// None should, so addresses and data folder have to be free.
    No,
    /// One may, so nobody asks whether they are.
    Yes,
}

impl Config {
    /// Looks at all that a start needs, and goes on behind what fails.
    #[must_use]
    pub fn rehearse(&self, running: Running) -> Vec<Finding> {
        let mut findings = vec![Finding {
            setting: "enclave.address".to_owned(),
            found: Ok(format!("{} is not asked", self.enclave)),
        }];
        let mut find = |section: &str, key: &str, found| {
            findings.push(Finding {
                setting: format!("{section}.{key}"),
                found,
            });
        };
        find("limits", "connections", Ok(self.open_files_told()));
        // Held until all are tried: two may want the same one.
        let mut held = Vec::new();
        for (section, listener) in [
            ("clients", Some(&self.clients)),
            ("operator", self.operator.as_ref()),
        ] {
            let Some(listener) = listener else { continue };
            find(section, "listen", address(listener, running, &mut held));
            if let Some(files) = &listener.tls {
                find(section, "tls", certificate(section, files));
            }
            if let Some(path) = &listener.tokens {
                let tokens = Tokens::read(path).map_err(StartError::from);
                find(section, "tokens", tokens.map(|_| text(path, "has tokens")));
            }
        }
        for (key, path) in self.storage.files() {
            let read = fs::read(path).map_err(failed("read", path));
            let read = read.map_err(StartError::from);
            find("storage", key, read.map(|_| text(path, "can be read")));
        }
        if let Some(spool) = self.storage.spool() {
            find("storage", "spool", folder(spool).map_err(StartError::from));
            find("storage", "database", Ok("is not asked".to_owned()));
            find("storage", "bucket", Ok("is not asked".to_owned()));
        }
        if let Some(path) = self.storage.folder() {
            let found = folder(path).and_then(|found| match running {
                Running::No => must_be_free(path).map(|()| found),
                Running::Yes => Ok(found),
            });
            let found = found.and_then(|found| Embedded::recognise(path).map(|()| found));
            find("storage", "folder", found.map_err(StartError::from));
        }
        findings
    }
}

impl Config {
    /// The files that connections need, and whether the system gives them: a start warns, and goes on.
    fn open_files_told(&self) -> String {
        let (connections, files) = (self.limits.connections, self.open_files());
        let needed = format!("{connections} at a time need {files} open files");
        match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((_, most)) if most < files => format!(
                "{needed}, and the hard limit is {most}: raise it (LimitNOFILE=, ulimit -Hn), or serve fewer"
            ),
            _ => needed,
        }
    }
}

fn address(
    listener: &Listener,
    running: Running,
    held: &mut Vec<TcpListener>,
) -> Result<String, StartError> {
    let address = listener.address;
    if running == Running::Yes {
        return Ok(format!("{address} is not tried"));
    }
    match TcpListener::bind(address) {
        Ok(listener) => {
            held.push(listener);
            Ok(format!("{address} is free"))
        }
        Err(source) => Err(StartError::Listen { address, source }),
    }
}

fn certificate(section: &'static str, files: &TlsFiles) -> Result<String, StartError> {
    let at_fault = |error| StartError::Tls { section, error };
    tls::read(files).map_err(at_fault)?;
    let left = tls::timely(files).map_err(at_fault)?;
    let left = left.map(|left| format!(", for {} more days", left / DAY));
    let authority = files.client_authority.as_ref().map(|authority| {
        format!(
            "; who connects shows a certificate of {}",
            authority.display()
        )
    });
    let path = files.certificate.display();
    let (left, authority) = (left.unwrap_or_default(), authority.unwrap_or_default());
    Ok(format!("{path} goes with its key{left}{authority}"))
}

/// A folder that can be used, or made.
fn folder(path: &Path) -> Result<String, StorageError> {
    // A link that leads nowhere is there, and no folder.
    let there = path
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok());
    // Relative, and nothing of it is there.
    let there = there.unwrap_or(Path::new("."));
    let there = if there == Path::new("") {
        Path::new(".")
    } else {
        there
    };
    if !there.is_dir() {
        return Err(failed("use", there)(io::ErrorKind::NotADirectory.into()));
    }
    must_be_writable(there)?;
    if there == path {
        for (name, is_folder) in KEPT {
            let kept = path.join(name);
            if kept.symlink_metadata().is_err() {
                continue;
            }
            must_be_writable(&kept)?;
            if kept.is_dir() != is_folder {
                let kind = if is_folder {
                    io::ErrorKind::NotADirectory
                } else {
                    io::ErrorKind::IsADirectory
                };
                return Err(failed("use", &kept)(kind.into()));
            }
        }
    }
    let room = statvfs(there).map(|disk| {
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        format!(", {} GiB are free", free >> 30)
    });
    let how = if there == path {
        "can be written"
    } else {
        "is made at the start"
    };
    Ok(text(path, &format!("{how}{}", room.unwrap_or_default())))
}

/// The lock is tried and given back; one that is not there is not made.
fn must_be_free(folder: &Path) -> Result<(), StorageError> {
    let path = folder.join("lock");
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read", &path)(error)),
    };
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
    }
}

fn text(path: &Path, how: &str) -> String {
    format!("{} {how}", path.display())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError + use<> {
    let path: PathBuf = path.to_owned();
    move |source| StorageError::Io {
        action,
        path,
        source,
    }
}

/// What a data folder has in it, and whether that is a folder.
const KEPT: [(&str, bool); 4] = [
    ("lock", false),
    ("rounds.db", false),
    ("rounds", true),
    ("temporary", true),
];
const DAY: i64 = 24 * 60 * 60;
