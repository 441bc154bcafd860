//! Why settings can't be used. Whoever wrote them is at fault, and is told where.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::layers::Origin;
use crate::storage::StorageError;

/// Why settings can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file can't be read.
    #[error("can't read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is no TOML, or has a key or value that there is not.
    #[error("in {origin}: {detail}")]
    Malformed {
        /// Where it is from.
        origin: Origin,
        /// What is wrong, with line and column if it is a file.
        detail: String,
    },
    /// A variable that was meant to be another one.
    #[error(
        "the environment variable {name} stands for no setting; {}rename it, or unset it",
        nearest.as_ref().map(|nearest| format!("did you mean {nearest}? ")).unwrap_or_default()
    )]
    Variable {
        /// Its name.
        name: String,
        /// The name that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// A variable for a whole section.
    #[error(
        "the environment variable {0} stands for a section, whose place in the file it would take with all that is set there: set its keys one by one, as {0}__KEY"
    )]
    SectionVariable(String),
    /// A variable whose value is no text.
    #[error("the value of the environment variable {0} is no text in UTF-8")]
    NoText(String),
    /// Nothing can be assumed for this one.
    #[error("{key} is not set: give it in the file, or {flag}, for instance {example}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Its flag.
        flag: &'static str,
        /// A value.
        example: &'static str,
    },
    /// A value that does not parse.
    #[error("{key} is {value:?}: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was given.
        value: String,
        /// Why it is none.
        reason: String,
    },
    /// What is set of the storage does not go together.
    #[error(transparent)]
    Storage(StorageError),
    /// A limit that lets nothing through.
    #[error("{key} is 0, which lets nothing through: give more, or leave it out for the default")]
    Zero {
        /// The key.
        key: &'static str,
    },
    /// A limit that is none.
    #[error(
        "{key} is more than {most}, which limits nothing: give less, or leave it out for the default"
    )]
    TooMuch {
        /// The key.
        key: &'static str,
        /// What it may be.
        most: u64,
    },
    /// Protection of a listener that is not there.
    #[error(
        "operator.tls or operator.tokens is set and operator.listen is not: the operator's paths are then served at clients.listen, without either; set operator.listen, for instance \"127.0.0.1:8481\""
    )]
    OperatorWithoutListener,
    /// One port for both.
    #[error(
        "clients.listen and operator.listen are both {0}: give the operator a port of its own, or leave operator.listen out to serve both at a loopback address"
    )]
    OneAddress(SocketAddr),
    /// A file of TLS that is missing.
    #[error(
        "{section}.tls has no {key}: it needs certificate and key, each the path of a PEM file"
    )]
    HalfTls {
        /// The section.
        section: &'static str,
        /// What is missing.
        key: &'static str,
    },
    /// A filter for the log that is none.
    #[error(
        "log.filter is {0:?}, which is no filter: a level (off, error, warn, info, debug, trace), or parts with a level each, as info,sealsum_parent::round=debug"
    )]
    LogFilter(String),
    /// Strangers could open, close and abort rounds.
    #[error(
        "{0} is reachable from other machines, and would serve opening, closing and aborting rounds to all of them: give the operator an address of its own, for instance --operator-listen 127.0.0.1:8481"
    )]
    OperatorExposed(SocketAddr),
    /// Whoever reaches the operator's address could use it.
    #[error(
        "the operator's address {0} is reachable from other machines, and whoever reaches it could open, close and abort rounds: set operator.tokens, or operator.tls with client_authority, or listen on a loopback address"
    )]
    OperatorOpen(SocketAddr),
    /// Tokens would cross the network in the clear.
    #[error(
        "the operator's tokens would cross the network to {0} in the clear: set operator.tls, or operator.plaintext = true if something in front of it speaks TLS"
    )]
    OperatorPlaintext(SocketAddr),
}

impl SettingsError {
    pub(super) fn value(key: &'static str, value: &str, reason: &dyn fmt::Display) -> Self {
        Self::Value {
            key,
            value: value.to_owned(),
            reason: reason.to_string(),
        }
    }
}
