//! TLS 1.3 by rustls, with ring: one listener's certificate, and whose certificates clients
//! have to show.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use crate::metrics::Metrics;
use crate::reload::{Reloaded, Reread};

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
    let in_force = Arc::new(AtomicI64::new(i64::MAX));
    let until = Arc::clone(&in_force);
    let started = Reloaded::start(
        what.clone(),
        watched,
        look,
        metrics.clone(),
        || {
            let config = read(&first)?;
            tell(&what, &first, metrics, &in_force);
            Ok(config)
        },
        move || {
            let fault = timely(&again).err();
            let earlier_serves = until.load(Ordering::Relaxed) >= now();
            match (read(&again), fault) {
                (Ok(_), Some(fault)) if earlier_serves => Err(fault).into(),
                // No worse than the earlier one; and an authority may have been replaced beside it.
                (Ok(config), fault) => {
                    tell(&name, &again, &told, &until);
                    Reread {
                        value: Some(config),
                        fault: fault.map(|fault| fault.to_string()),
                    }
                }
                (Err(error), _) => Err(error).into(),
            }
        },
    )?;
    // Rounds are to end whatever a certificate says, so a start goes on with it.
    if let Err(error) = timely(files) {
        let what = format!("{section}.tls");
        tracing::error!(what, %error, "clients are turned away by it");
        metrics.files_unusable(&what, true);
    }
    Ok(started)
}

fn tell(what: &str, files: &TlsFiles, metrics: &Metrics, in_force: &AtomicI64) {
    if let Some((_, until)) = validity(&files.certificate) {
        metrics.certificate_expires(what, until);
        in_force.store(until, Ordering::Relaxed);
    }
}

/// For how many more seconds clients take the certificate, if that can be read.
pub(crate) fn timely(files: &TlsFiles) -> Result<Option<i64>, TlsError> {
    let path = || files.certificate.clone();
    match validity(&files.certificate) {
        Some((_, until)) if until < now() => Err(TlsError::Expired(path())),
        Some((from, _)) if from > now() => Err(TlsError::NotYet(path())),
        validity => Ok(validity.map(|(_, until)| until - now())),
    }
}

/// From when until when the server's own certificate is good, in seconds since 1970.
fn validity(certificate: &Path) -> Option<(i64, i64)> {
    let chain = certificates(certificate).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
    let validity = parsed.validity();
    Some((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
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
    /// Nobody takes it yet.
    #[error(
        "the certificate in {0} is not valid yet: clients will not take it; is the clock right?"
    )]
    NotYet(PathBuf),
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

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// A folder with a key, an authority, and a certificate that ends in that year.
    struct Shelf {
        folder: tempfile::TempDir,
        key: KeyPair,
    }

    impl Shelf {
        fn new(ends: i32) -> Self {
            let (folder, key) = (tempfile::tempdir().unwrap(), KeyPair::generate().unwrap());
            fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
            let shelf = Self { folder, key };
            shelf.put("certificate.pem", 2020, ends);
            shelf.put("authority.pem", 2020, 2090);
            shelf
        }

        fn put(&self, name: &str, from: i32, ends: i32) {
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(ends, 1, 1);
            let made = params.self_signed(&self.key).unwrap();
            fs::write(self.folder.path().join(name), made.pem()).unwrap();
        }

        fn start(&self, metrics: &Metrics) -> Tls {
            let at = |name: &str| self.folder.path().join(name);
            let files = TlsFiles {
                certificate: at("certificate.pem"),
                key: at("key.pem"),
                client_authority: Some(at("authority.pem")),
            };
            start("clients", &files, Duration::from_millis(2), metrics).unwrap()
        }
    }

    fn unusable(metrics: &Metrics) -> bool {
        let text = metrics.text(&[], &[]).unwrap();
        let line = |count| format!("files_unusable{{files=\"clients.tls\"}} {count}");
        assert_ne!(text.contains(&line(0)), text.contains(&line(1)), "{text}");
        text.contains(&line(1))
    }

    async fn a_while() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    #[tokio::test]
    async fn one_that_nobody_takes_does_not_follow_one_that_serves() {
        for (from, ends) in [(2020, 2021), (2080, 2090)] {
            let (shelf, metrics) = (Shelf::new(2090), Metrics::new());
            let tls = shelf.start(&metrics);
            let before = tls.current();
            assert!(!unusable(&metrics));
            shelf.put("certificate.pem", from, ends);
            a_while().await;
            assert!(Arc::ptr_eq(&before, &tls.current()));
            assert!(unusable(&metrics));
            shelf.put("certificate.pem", 2020, 2091);
            a_while().await;
            assert!(!Arc::ptr_eq(&before, &tls.current()));
            assert!(!unusable(&metrics));
        }
    }

    /// Adversary: has a key of the authority that was replaced, and does not mind who expired.
    #[tokio::test]
    async fn a_certificate_that_has_lapsed_keeps_no_authority_in_force() {
        let (shelf, metrics) = (Shelf::new(2021), Metrics::new());
        let tls = shelf.start(&metrics);
        let before = tls.current();
        assert!(unusable(&metrics));
        shelf.put("authority.pem", 2020, 2091);
        a_while().await;
        let after = tls.current();
        assert!(!Arc::ptr_eq(&before, &after));
        assert!(unusable(&metrics));
        // Connections end when the files change, not at every look.
        a_while().await;
        assert!(Arc::ptr_eq(&after, &tls.current()));
    }
}
