//! The root on disk: one file, so that the key and its certificate can't part.
//!
//! Upholds that the file is private (0600, refused otherwise), whole (written
//! aside, synced, then linked in place) and never overwritten.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use pem::{EncodeConfig, LineEnding, Pem};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::certificate::{self, IssueError};
use crate::key::CertifyingKey;
use crate::root::RootKey;

/// The file that holds the root, in the folder given.
pub const ROOT_FILE: &str = "mock-root.pem";

/// The stored root can't be used, or not be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// No root is there yet.
    #[error("there is no root at {path}: start once with this folder as the mock's state", path = path.display())]
    Missing {
        /// Where it was expected.
        path: PathBuf,
    },
    /// A root is there, and is not overwritten.
    #[error(
        "there is a root at {path} already, which policies may have pinned: load it, or remove \
         it yourself",
        path = path.display()
    )]
    Occupied {
        /// Where it lies.
        path: PathBuf,
    },
    /// Others than the owner may read or write the key.
    #[error(
        "the root's key at {path} has mode {found:03o}, expected 600: someone else may have \
         read it; chmod it if you know better, else remove it and pin a new root",
        path = path.display()
    )]
    Exposed {
        /// Where it lies.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
    },
    /// The file is not what this crate writes.
    #[error(
        "{path} holds no root: expected a P-384 private key (PKCS#8), then its certificate, in \
         PEM; remove it to have a new root made, which clients must pin anew",
        path = path.display()
    )]
    Malformed {
        /// Where it lies.
        path: PathBuf,
    },
    /// The certificate is not that of the key, or not of this crate's root.
    #[error(
        "the certificate in {path} is not that of the key beside it: remove the file to have a \
         new root made, which clients must pin anew",
        path = path.display()
    )]
    Foreign {
        /// Where it lies.
        path: PathBuf,
    },
    /// The file is there but can't be read.
    #[error("can't read the root at {path}: {source}", path = path.display())]
    Unreadable {
        /// Where it lies.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file can't be written.
    #[error(
        "can't write the root to {path}: {source}; the folder must be writable and able to hold \
         hard links",
        path = path.display()
    )]
    Unwritable {
        /// Where it was to lie.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A fresh root can't be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// One PEM block, `CERTIFICATE`.
pub(crate) fn certificate_pem(der: &[u8]) -> String {
    pem::encode_config(&Pem::new(CERTIFICATE_TAG, der), lines())
}

pub(crate) fn save(dir: &Path, root: &RootKey) -> Result<(), RootError> {
    let path = dir.join(ROOT_FILE);
    write_once(dir, &path, &encode(root)).map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            RootError::Occupied { path }
        } else {
            RootError::Unwritable { path, source }
        }
    })
}

pub(crate) fn load(dir: &Path) -> Result<RootKey, RootError> {
    let path = dir.join(ROOT_FILE);
    let bytes = match read_private(&path) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(found)) => return Err(RootError::Exposed { path, found }),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(RootError::Missing { path });
        }
        Err(source) => return Err(RootError::Unreadable { path, source }),
    };
    let Some((key, pkcs8, der)) = decode(&bytes) else {
        return Err(RootError::Malformed { path });
    };
    // Issuing reads only the subject and the key from here on; the validity is
    // that of the stored certificate.
    let params = certificate::root_params(0)?;
    let twin = certificate::self_signed(&params, &key)?;
    if identity(&der).is_none_or(|stored| Some(stored) != identity(&twin)) {
        return Err(RootError::Foreign { path });
    }
    Ok(RootKey {
        key,
        pkcs8,
        params,
        der,
    })
}

/// Subject and public key of a root certificate.
fn identity(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let der = CertificateDer::from(der);
    let anchor = webpki::anchor_from_trusted_cert(&der).ok()?;
    Some((
        anchor.subject.as_ref().to_vec(),
        anchor.subject_public_key_info.as_ref().to_vec(),
    ))
}

fn encode(root: &RootKey) -> Zeroizing<String> {
    let key = Zeroizing::new(pem::encode_config(
        &Pem::new(KEY_TAG, root.pkcs8.as_slice()),
        lines(),
    ));
    let certificate = certificate_pem(&root.der);
    let mut text = Zeroizing::new(String::with_capacity(key.len() + certificate.len()));
    text.push_str(&key);
    text.push_str(&certificate);
    text
}

type Decoded = (CertifyingKey, Zeroizing<Vec<u8>>, Vec<u8>);

fn decode(text: &[u8]) -> Option<Decoded> {
    let blocks = pem::parse_many(text).ok()?;
    let [key, certificate]: [Pem; 2] = blocks.try_into().ok()?;
    if key.tag() != KEY_TAG || certificate.tag() != CERTIFICATE_TAG {
        return None;
    }
    let pkcs8 = Zeroizing::new(key.into_contents());
    let key = CertifyingKey::from_pkcs8(&pkcs8)?;
    Some((key, pkcs8, certificate.into_contents()))
}

/// The file's bytes, or the mode that makes them unfit for use. Mode and bytes
/// are of the same open file.
fn read_private(path: &Path) -> io::Result<Result<Zeroizing<Vec<u8>>, u32>> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Ok(Err(mode));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN_MAX));
    io::Read::read_to_end(
        &mut io::Read::take(&mut file, FILE_LEN_MAX as u64),
        &mut bytes,
    )?;
    Ok(Ok(bytes))
}

fn write_once(dir: &Path, path: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let aside = dir.join(format!(".{ROOT_FILE}.{:016x}", random_u64()?));
    let linked = write_aside(&aside, text).and_then(|()| fs::hard_link(&aside, path));
    // Whatever happened, no second copy of the key stays behind.
    let removed = fs::remove_file(&aside);
    linked?;
    removed?;
    File::open(dir)?.sync_all()
}

fn write_aside(aside: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn random_u64() -> io::Result<u64> {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system has no randomness to give"))?;
    Ok(u64::from_be_bytes(bytes))
}

fn lines() -> EncodeConfig {
    EncodeConfig::new().set_line_ending(LineEnding::LF)
}

const KEY_TAG: &str = "PRIVATE KEY";
const CERTIFICATE_TAG: &str = "CERTIFICATE";
/// A root's file is about 1.1 kB; more is something else.
const FILE_LEN_MAX: usize = 8192;

#[cfg(test)]
mod tests;
