//! What can go wrong between client and parent, before anything is believed.

use std::error::Error;
use std::path::PathBuf;

use reqwest::{StatusCode, Url};
use serde::Deserialize;

/// Why the parent gave no answer that can be used. Nothing it says is trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParentError {
    /// Not a URL that a parent can have.
    #[error("{0:?} is not a parent's URL; expected http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    /// A file that says how to reach the parent can't be used.
    #[error("{path}: {cause}")]
    ReachFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Certificates for a parent without TLS.
    #[error("{0} is for a parent with TLS, and the parent's URL is http: use https://")]
    NotHttps(PathBuf),
    /// A token that anyone on the way could read and use.
    #[error(
        "the token would cross the network to {0} in the clear: use https://, or a tunnel from this machine's own address"
    )]
    TokenInTheClear(String),
    /// Certificates, a key or this system's authorities that TLS can't be made of.
    #[error("TLS to the parent can't be set up: {0}")]
    Tls(String),
    /// Nobody answers.
    #[error("the parent at {url} can't be reached: {cause}; is it running?")]
    Unreachable {
        /// Its URL.
        url: String,
        /// The last cause, as the system words it.
        cause: String,
    },
    /// The parent declined, as RFC 9457 has it.
    #[error("the parent declined ({status}, {code}): {detail}")]
    Problem {
        /// HTTP status.
        status: u16,
        /// The stable code.
        code: String,
        /// The parent's words, without control characters.
        detail: String,
        /// Seconds after which it asks to be tried again.
        retry_after: Option<u64>,
    },
    /// More bytes than such an answer has.
    #[error("the parent's answer is longer than the {limit} bytes that it may have")]
    TooLong {
        /// The bound.
        limit: u64,
    },
    /// A connection that broke, or fewer bytes than announced.
    #[error("the connection to the parent broke off: {cause}; try again")]
    BrokeOff {
        /// The last cause.
        cause: String,
    },
    /// A round that another parent works, when what was sent can't be sent again as it is.
    #[error("the parent works this round at {0}")]
    Elsewhere(Url),
    /// Another parent again and again.
    #[error("the parents send each other what belongs to this round; try again")]
    Astray,
    /// Another parent, without the TLS that this one has.
    #[error(
        "the parent says that this round is worked at {0}, which is not reached as this one is: by TLS or without"
    )]
    Downgraded(String),
    /// A handshake that will fail again: certificates do not fit.
    #[error("TLS with the parent at {url} was refused: {cause}; {advice}")]
    Handshake {
        /// Its URL.
        url: String,
        /// What one side said.
        cause: String,
        /// What to do.
        advice: &'static str,
    },
    /// Something else than HTTP answers.
    #[error(
        "what answers at {0} does not speak HTTP in the clear; if it is a parent with TLS, use https://"
    )]
    NotHttp(String),
    /// Not what such an answer looks like.
    #[error("the parent's answer is not {expected}")]
    Form {
        /// What was asked for.
        expected: &'static str,
    },
}

impl ParentError {
    #[expect(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
    pub(super) fn tls(error: rustls::Error) -> Self {
        Self::Tls(error.to_string())
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::BrokeOff { .. } | Self::Astray => true,
            // Between two rounds of a task there is none for a moment.
            Self::Problem { status, code, .. } => {
                matches!(status, 408 | 429 | 500..=599) || code == "no_open_round"
            }
            _ => false,
        }
    }

    /// Whether the parent says that there is no such thing (yet).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Problem { status: 404, .. })
    }

    /// No answer: nobody was there, or the connection broke on the way.
    pub(super) fn unanswered(url: &str, error: &reqwest::Error) -> Self {
        if let Some(refused) = refused_by_tls(error) {
            return Self::Handshake {
                url: url.to_owned(),
                cause: refused.to_string(),
                advice: advice(refused),
            };
        }
        if url.starts_with("http:") && is_no_http(error) {
            return Self::NotHttp(url.to_owned());
        }
        if !error.is_connect() {
            return Self::broke_off(error);
        }
        Self::Unreachable {
            url: url.to_owned(),
            cause: last_cause(error),
        }
    }

    pub(super) fn broke_off(error: &reqwest::Error) -> Self {
        Self::BrokeOff {
            cause: last_cause(error),
        }
    }

    /// Reads a problem document; whatever it is, it becomes a problem.
    pub(super) fn problem(status: StatusCode, retry_after: Option<u64>, body: &[u8]) -> Self {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let words = |text: Option<String>, otherwise: &str| {
            let text = text.filter(|text| !text.is_empty());
            printable(&text.unwrap_or_else(|| otherwise.to_owned()))
        };
        let reason = status.canonical_reason().unwrap_or("no reason given");
        Self::Problem {
            status: status.as_u16(),
            code: words(problem.code, "no_code"),
            detail: words(problem.detail.or(problem.title), reason),
            retry_after,
        }
    }
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

/// The innermost error is the system's own words; the outer ones repeat the URL.
fn last_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    printable(&cause.to_string())
}

/// A stranger's words without control characters, cut to a paragraph: they end up on a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(DETAIL_LIMIT)
        .collect()
}

const DETAIL_LIMIT: usize = 1000;

/// What TLS refused, wherever it lies in the chain of causes. What passes by itself is none.
fn refused_by_tls(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(found) = cause {
        if let Some(refused) = found.downcast_ref() {
            return Some(refused);
        }
        // What an input error carries is not its source, but stands in its place.
        let carried = found
            .downcast_ref::<std::io::Error>()
            .and_then(|io| io.get_ref());
        cause = match carried {
            Some(carried) => Some(carried),
            None => found.source(),
        };
    }
    None
}

const fn advice(refused: &rustls::Error) -> &'static str {
    match refused {
        rustls::Error::InvalidCertificate(_) => {
            "its certificate is of no authority that is believed here, or not for this name: name the authority's file (--parent-authority)"
        }
        rustls::Error::AlertReceived(_) => {
            "it wants a certificate of an authority that it believes: name your own certificate and key (--parent-certificate, --parent-key)"
        }
        rustls::Error::InvalidMessage(_) => "what answers there may not speak TLS: use http://",
        _ => "its TLS and this one's do not go together",
    }
}

/// Whether what came is no answer in HTTP.
fn is_no_http(error: &reqwest::Error) -> bool {
    last_cause(error).contains("invalid HTTP version")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(body: &[u8]) -> (String, String) {
        match ParentError::problem(StatusCode::CONFLICT, None, body) {
            ParentError::Problem { code, detail, .. } => (code, detail),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_problem_keeps_its_code_and_loses_its_control_characters() {
        let body = br#"{"code":"wrong_phase","detail":"over\u001b[2J\nnow","status":409}"#;
        assert_eq!(
            detail(body),
            ("wrong_phase".to_owned(), "over [2J now".to_owned())
        );
    }

    #[test]
    fn whatever_is_no_problem_document_is_still_a_problem() {
        assert_eq!(detail(b"<html>"), ("no_code".into(), "Conflict".into()));
        assert_eq!(detail(&vec![b'['; 100_000]).0, "no_code");
    }
}
