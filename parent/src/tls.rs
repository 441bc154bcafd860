//! TLS 1.3 by rustls, with ring: one listener's certificate, and whose certificates clients
//! have to show.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::reload::Reloaded;

/// A listener's TLS, as its files are now.
pub(crate) type Tls = Arc<Reloaded<ServerConfig>>;

/// Reads the files, and again when they change.
pub(crate) fn start(files: &TlsFiles, look: Duration) -> Result<Tls, TlsError> {
    let mut watched = vec![files.certificate.clone(), files.key.clone()];
    watched.extend(files.client_authority.clone());
    let files = files.clone();
    Reloaded::start("the certificate", watched, look, move || read(&files))
}

/// What the files make, as they are now.
pub(crate) fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Pem {
        what: "a private key",
        path: files.key.clone(),
        source,
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|source| TlsError::Mismatch {
            path: files.certificate.clone(),
            source,
        })?;
    let builder = match &files.client_authority {
        Some(authority) => builder.with_client_cert_verifier(verifier(authority)?),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Mismatch {
            path: files.certificate.clone(),
            source,
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(authority: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authority)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Mismatch {
                path: authority.to_owned(),
                source,
            })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| TlsError::Authority {
            path: authority.to_owned(),
            detail: error.to_string(),
        })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let at_fault = |source| TlsError::Pem {
        what: "certificates",
        path: path.to_owned(),
        source,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(at_fault)?
        .collect::<Result<_, _>>()
        .map_err(at_fault)?;
    if chain.is_empty() {
        return Err(at_fault(pem::Error::NoItemsFound));
    }
    Ok(chain)
}

/// Why a listener has no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that is not there or not what it should be.
    #[error("can't read {what} in PEM from {path}: {source}")]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// Files that do not go together.
    #[error("the certificate in {path} can't be used: {source}; is the key the certificate's own?")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// Authorities that nobody can be judged by.
    #[error("the client authority in {path} can't be used: {detail}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

/// Ends the handshake's error as the connection sees it.
pub(crate) fn handshake_timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time")
}
