//! Where the mock listens: TCP or a Unix socket.
//!
//! Decides when a socket file that is already there may go: only if it is a socket
//! and nobody answers on it.

use std::fmt;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::serve::Transport;

/// `tcp:HOST:PORT` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    Tcp(String),
    Unix(PathBuf),
}

/// A bound socket.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl ListenAddress {
    /// Binds; from here on connections queue up.
    pub(crate) fn bind(&self) -> Result<Listener, BindError> {
        match self {
            Self::Tcp(address) => TcpListener::bind(address).map(Listener::Tcp),
            Self::Unix(path) => {
                remove_if_stale(path)?;
                UnixListener::bind(path).map(|listener| Listener::Unix(listener, path.clone()))
            }
        }
        .map_err(|source| BindError::System {
            address: self.clone(),
            source,
        })
    }
}

impl Listener {
    /// The address with the port that the system chose, as a client dials it.
    pub(crate) fn address(&self) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => format!("tcp:{}", listener.local_addr()?),
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        })
    }

    /// The next connection, ready to be served.
    pub(crate) fn accept(&self) -> io::Result<Box<dyn Transport>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                // A reply is one write; waiting for more only delays it.
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(WRITE_TIME))?;
                Ok(Box::new(stream))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_write_timeout(Some(WRITE_TIME))?;
                Ok(Box::new(stream))
            }
        }
    }
}

impl Transport for TcpStream {
    fn limit_reads(&self, limit: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(limit)
    }
}

impl Transport for UnixStream {
    fn limit_reads(&self, limit: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(limit)
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refused = || AddressError(text.to_owned());
        match text.split_once(':').ok_or_else(refused)? {
            ("tcp", address) => {
                let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
                if host.is_empty() || port.parse::<u16>().is_err() {
                    return Err(refused());
                }
                Ok(Self::Tcp(address.to_owned()))
            }
            ("unix", path) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Not an address to listen on. The caller's to mend; carries the text as given.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address to listen on: expected tcp:HOST:PORT or unix:PATH")]
pub(crate) struct AddressError(String);

/// The address is fine, and can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BindError {
    /// Another process answers there.
    #[error("a process is listening on unix:{path} already: end it, or choose another path", path = .0.display())]
    InUse(PathBuf),
    /// Something of the caller's lies there.
    #[error("{path} is there and is no socket: it is not removed, choose another path", path = .0.display())]
    NotASocket(PathBuf),
    /// The system says no.
    #[error("can't listen on {address}: {source}; choose another address with --listen")]
    System {
        /// Where.
        address: ListenAddress,
        /// What the system said.
        source: io::Error,
    },
}

/// Unix sockets outlive a killed process as files that no one can bind to.
fn remove_if_stale(path: &Path) -> Result<(), BindError> {
    let system = |source| BindError::System {
        address: ListenAddress::Unix(path.to_owned()),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(system)
        }
        // A full backlog, or no permission: either way it is someone else's.
        Ok(_) | Err(_) => Err(BindError::InUse(path.to_owned())),
    }
}

/// How long one write may wait for a peer that does not read.
const WRITE_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_they_were_written() {
        for text in [
            "tcp:127.0.0.1:0",
            "tcp:[::1]:5005",
            "tcp:localhost:1",
            "unix:/a:b",
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "tcp",
            "tcp:",
            "tcp:5005",
            "tcp::1",
            "tcp:a:65536",
            "unix:",
            "vsock:3:5",
        ] {
            assert_eq!(
                text.parse::<ListenAddress>(),
                Err(AddressError(text.to_owned()))
            );
        }
    }

    #[test]
    fn a_socket_goes_only_when_nobody_answers_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let address = ListenAddress::Unix(path.clone());
        let first = address.bind().unwrap();
        assert!(matches!(address.bind(), Err(BindError::InUse(_))));
        drop(first);
        assert!(path.exists());
        assert!(address.bind().is_ok());
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        std::fs::write(&path, "mine").unwrap();
        let refused = ListenAddress::Unix(path.clone()).bind();
        assert!(matches!(refused, Err(BindError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
