//! What a start would meet, found out without one: nothing is changed, and nobody is connected to.

use std::fs::{File, TryLockError};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use crate::access::Tokens;
use crate::config::{Config, Listener, TlsFiles};
use crate::parent::StartError;
use crate::storage::{Embedded, StorageError};
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
            let opened = File::open(path).map_err(failed("read", path));
            let opened = opened.map_err(StartError::from);
            find("storage", key, opened.map(|_| text(path, "can be read")));
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
    tls::read(files).map_err(|error| StartError::Tls { section, error })?;
    let path = files.certificate.display();
    let left = tls::expires(&files.certificate).map(|expires| expires - tls::now());
    Ok(match left {
        Some(left) if left < 0 => format!("{path} has expired: clients will not take it"),
        Some(left) => format!("{path} goes with its key, for {} more days", left / DAY),
        None => format!("{path} goes with its key"),
    })
}

/// A folder that can be used, or made.
fn folder(path: &Path) -> Result<String, StorageError> {
    let there = path.ancestors().find(|path| path.exists());
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
        for name in KEPT {
            let kept = path.join(name);
            if kept.exists() {
                must_be_writable(&kept)?;
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

fn must_be_writable(path: &Path) -> Result<(), StorageError> {
    let mut wanted = AccessFlags::R_OK | AccessFlags::W_OK;
    if path.is_dir() {
        wanted |= AccessFlags::X_OK;
    }
    access(path, wanted).map_err(|error| failed("write", path)(error.into()))
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

/// What a data folder has in it.
const KEPT: [&str; 4] = ["lock", "rounds.db", "rounds", "temporary"];
const DAY: i64 = 24 * 60 * 60;
