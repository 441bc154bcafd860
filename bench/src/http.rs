//! The HTTP client of both sides of a comparison.

use reqwest::Client;

/// A client for HTTP in the clear, by no proxy.
pub(crate) fn http() -> reqwest::Result<Client> {
    // Never used; without a provider for TLS no client is made.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build()
}
