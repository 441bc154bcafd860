//! A certificate's name and validity, for showing. It decides nothing.

use sealsum_protocol::UnixMillis;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::time::shown;

/// What is shown of a certificate.
pub(super) struct Shown {
    sha256: String,
    /// Subject, not before, not after.
    read: Option<[String; 3]>,
}

impl Shown {
    pub(super) fn of(der: &[u8]) -> Self {
        let read = X509Certificate::from_der(der).ok().map(|(_, certificate)| {
            let subject = certificate.subject();
            let name = subject
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .map_or_else(|| subject.to_string(), str::to_owned);
            let validity = certificate.validity();
            let time = |seconds: i64| {
                let millis = u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
                shown(UnixMillis(millis))
            };
            [
                name,
                time(validity.not_before.timestamp()),
                time(validity.not_after.timestamp()),
            ]
        });
        Self {
            sha256: hex::encode(Sha256::digest(der)),
            read,
        }
    }

    pub(super) fn text(&self) -> String {
        match &self.read {
            Some([subject, from, to]) => format!("{from} to {to}  {subject:?}"),
            None => format!("not to be read, SHA-256 {}", self.sha256),
        }
    }

    pub(super) fn json(&self) -> Value {
        let [subject, from, to] = match &self.read {
            Some(read) => read.each_ref().map(|text| Some(text.as_str())),
            None => [None; 3],
        };
        json!({
            "subject": subject,
            "not_before": from,
            "not_after": to,
            "sha256": self.sha256,
        })
    }
}
