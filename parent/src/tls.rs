//! TLS 1.3 by rustls, with ring: one listener's certificate, and whose certificates clients
//! have to show.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::metrics::Metrics;
use crate::reload::Reloaded;

/// A listener's TLS, as its files are now.
pub(crate) type Tls = Arc<Reloaded<ServerConfig>>;

/// Reads the files, and again when they change.
pub(crate) fn start(
    section: &str,
    files: &TlsFiles,
    look: Duration,
    metrics: &Metrics,
) -> Result<Tls, TlsError> {
    let mut watched = vec![files.certificate.clone(), files.key.clone()];
    watched.extend(files.client_authority.clone());
    let (first, again) = (files.clone(), files.clone());
    let what = format!("{section}.tls");
    let told = metrics.clone();
    let name = what.clone();
    Reloaded::start(
        what.clone(),
        watched,
        look,
        metrics.clone(),
        || {
            let config = read(&first)?;
            tell(&what, &first, metrics);
            // Rounds are to end whatever a certificate says, so a start goes on with it.
            if let Err(error) = not_expired(&first) {
                tracing::error!(what, %error, "serving nobody until it is renewed");
            }
            Ok(config)
        },
        move || {
            let read = not_expired(&again).and_then(|_| read(&again));
            if read.is_ok() {
                tell(&name, &again, &told);
            }
            read.into()
        },
    )
}

fn tell(what: &str, files: &TlsFiles, metrics: &Metrics) {
    if let Some(expires) = expires(&files.certificate) {
        metrics.certificate_expires(what, expires);
    }
}

/// For how many more seconds clients take the certificate, if that can be read.
pub(crate) fn not_expired(files: &TlsFiles) -> Result<Option<i64>, TlsError> {
    match expires(&files.certificate).map(|expires| expires - now()) {
        Some(left) if left < 0 => Err(TlsError::Expired(files.certificate.clone())),
        left => Ok(left),
    }
}

/// When the server's own certificate ends, in seconds since 1970.
fn expires(certificate: &Path) -> Option<i64> {
    let chain = certificates(certificate).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
    Some(parsed.validity().not_after.timestamp())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// What the files make, as they are now.
pub(crate) fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Pem {
        what: "private key",
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
    #[error("{path} holds no {what} in PEM, or can't be read: {source}")]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// Nobody would take it.
    #[error("the certificate in {0} has expired: renew it, clients will not take it")]
    Expired(PathBuf),
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

/// A handshake that did not come to its end.
pub(crate) fn handshake_timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time")
}
