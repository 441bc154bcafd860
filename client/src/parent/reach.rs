//! How a parent is reached beyond its URL: whose certificates are believed, which one is shown,
//! which token is sent.
//!
//! None of it protects an update, which is sealed to the enclave either way. TLS hides from the
//! network who takes part, and lets a parent turn strangers away.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{ClientBuilder, Url};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::BuilderVerifierExt as _;
use zeroize::Zeroizing;

use super::ParentError;

/// Files that say how a parent is reached; none is needed for one that is open to all.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// PEM certificates of the authorities that a parent's certificate may be of. Without it those
    /// that this system believes.
    pub authority: Option<PathBuf>,
    /// PEM files of the certificate to show and of its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// A file that holds the token to send, and nothing else.
    pub token: Option<PathBuf>,
}

impl Reach {
    pub(super) fn apply(
        &self,
        url: &Url,
        mut http: ClientBuilder,
    ) -> Result<ClientBuilder, ParentError> {
        if url.scheme() == "https" {
            http = http.tls_backend_preconfigured(self.tls()?).https_only(true);
        } else if let Some(path) = self.files().next() {
            return Err(ParentError::NotHttps(path.to_owned()));
        } else {
            // Never used; without one the provider of the process is asked for, and there is none.
            let nobody = builder()?.with_root_certificates(RootCertStore::empty());
            http = http.tls_backend_preconfigured(nobody.with_no_client_auth());
        }
        match &self.token {
            None => Ok(http),
            Some(_) if url.scheme() != "https" && !is_loopback(url) => {
                Err(ParentError::TokenInTheClear(url.to_string()))
            }
            Some(path) => Ok(http.default_headers(authorization(path)?)),
        }
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let certificate = self
            .certificate
            .as_ref()
            .map(|(certificate, _)| certificate);
        [self.authority.as_ref(), certificate]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }

    fn tls(&self) -> Result<ClientConfig, ParentError> {
        let builder = builder()?;
        let builder = match &self.authority {
            Some(path) => builder.with_root_certificates(roots(path)?),
            None => builder.with_platform_verifier().map_err(ParentError::tls)?,
        };
        match &self.certificate {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => {
                let own_key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, own_key)
                    .map_err(ParentError::tls)
            }
        }
    }
}

/// ring is the only provider, and named: the default of the process is nobody's.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, ParentError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(ParentError::tls)
}

fn roots(path: &Path) -> Result<RootCertStore, ParentError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(ParentError::tls)?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ParentError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(unreadable(path))?;
    if chain.is_empty() {
        return Err(unreadable(path)(pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn unreadable(path: &Path) -> impl FnOnce(pem::Error) -> ParentError + '_ {
    move |error| ParentError::ReachFile {
        path: path.to_owned(),
        cause: error.to_string(),
    }
}

fn authorization(path: &Path) -> Result<HeaderMap, ParentError> {
    let at_fault = |cause: String| ParentError::ReachFile {
        path: path.to_owned(),
        cause,
    };
    let text = fs::read_to_string(path).map_err(|error| at_fault(error.to_string()))?;
    let text = Zeroizing::new(text);
    let line = Zeroizing::new(format!("Bearer {}", text.trim()));
    let mut value = HeaderValue::from_str(&line)
        .map_err(|_| at_fault("a token is one line of plain characters".to_owned()))?;
    // Kept out of whatever prints headers.
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// Whether what is sent stays on this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
