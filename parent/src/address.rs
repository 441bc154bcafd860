//! Where the enclave is: one text form for each transport, and the way to connect.
//!
//! Nothing about the address is trusted: whoever answers there must prove itself to
//! the clients by evidence.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_vsock::{VsockAddr, VsockStream};

/// An enclave's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnclaveAddress {
    /// `vsock:CID:PORT`: a Nitro enclave.
    Vsock {
        /// The enclave's context id.
        cid: u32,
        /// The port that it listens on.
        port: u32,
    },
    /// `tcp:HOST:PORT`.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `hybrid:PATH:PORT`: a Unix socket in front of a guest's vsock, as Firecracker
    /// and cloud-hypervisor offer it. It wants `CONNECT PORT` and answers `OK n`.
    Hybrid {
        /// The Unix socket.
        path: PathBuf,
        /// The guest's port.
        port: u32,
    },
}

/// A connection to the enclave.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

impl EnclaveAddress {
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Transport>> {
        match self {
            Self::Vsock { cid, port } => {
                let stream = VsockStream::connect(VsockAddr::new(*cid, *port)).await?;
                Ok(Box::new(stream))
            }
            Self::Tcp(host) => {
                let stream = TcpStream::connect(host).await?;
                // One small frame awaits each answer; Nagle would hold it back.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Hybrid { path, port } => {
                let mut stream = UnixStream::connect(path).await?;
                ask_for_port(&mut stream, *port).await?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Firecracker's docs/vsock.md, "Host-initiated connections".
async fn ask_for_port(stream: &mut UnixStream, port: u32) -> io::Result<()> {
    stream
        .write_all(format!("CONNECT {port}\n").as_bytes())
        .await?;
    let mut line = Vec::new();
    // Byte by byte: what follows the line already belongs to the enclave's frames.
    while line.len() < HYBRID_LINE_LIMIT {
        match stream.read_u8().await? {
            b'\n' if line.starts_with(b"OK ") => return Ok(()),
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::ConnectionRefused,
        format!(
            "the socket answered {:?} to CONNECT {port}, not OK",
            String::from_utf8_lossy(&line)
        ),
    ))
}

impl FromStr for EnclaveAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (kind, rest) = text.split_once(':').ok_or(AddressError::Kind)?;
        match kind {
            "vsock" => {
                let (cid, port) = rest.split_once(':').ok_or(AddressError::Parts(VSOCK))?;
                Ok(Self::Vsock {
                    cid: cid.parse().map_err(|_| AddressError::Number)?,
                    port: port.parse().map_err(|_| AddressError::Number)?,
                })
            }
            "tcp" => {
                let (host, port) = rest.rsplit_once(':').ok_or(AddressError::Parts(TCP))?;
                let _: u16 = port.parse().map_err(|_| AddressError::Number)?;
                if host.is_empty() {
                    return Err(AddressError::Parts(TCP));
                }
                Ok(Self::Tcp(rest.to_owned()))
            }
            "unix" if rest.is_empty() => Err(AddressError::Parts(UNIX)),
            "unix" => Ok(Self::Unix(rest.into())),
            "hybrid" => match rest.rsplit_once(':') {
                Some((path, port)) if !path.is_empty() => Ok(Self::Hybrid {
                    path: path.into(),
                    port: port.parse().map_err(|_| AddressError::Number)?,
                }),
                _ => Err(AddressError::Parts(HYBRID)),
            },
            _ => Err(AddressError::Kind),
        }
    }
}

impl fmt::Display for EnclaveAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            Self::Tcp(host) => write!(f, "tcp:{host}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Hybrid { path, port } => write!(f, "hybrid:{}:{port}", path.display()),
        }
    }
}

/// Why a text is not an enclave's address. Whoever configured it is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No such transport.
    #[error("an enclave's address is {VSOCK}, {TCP}, {UNIX} or {HYBRID}")]
    Kind,
    /// A part is missing.
    #[error("a part is missing: the form is {0}")]
    Parts(&'static str),
    /// A context id or port that is no number, or too large.
    #[error("a context id or port is not a number in its range")]
    Number,
}

const VSOCK: &str = "vsock:CID:PORT";
const TCP: &str = "tcp:HOST:PORT";
const UNIX: &str = "unix:PATH";
const HYBRID: &str = "hybrid:PATH:PORT";
/// `OK 4294967295` is 13 bytes; anything much longer is another protocol.
const HYBRID_LINE_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_printed_the_same() {
        for text in [
            "vsock:16:5000",
            "tcp:127.0.0.1:5000",
            "tcp:[::1]:5000",
            "unix:/run/enclave.sock",
            "hybrid:/run/vm.sock:5000",
        ] {
            let address: EnclaveAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_wrong_form_is_refused_with_the_right_one() {
        let refused = |text: &str| text.parse::<EnclaveAddress>().unwrap_err();
        assert_eq!(refused("enclave"), AddressError::Kind);
        assert_eq!(refused("http://x:1"), AddressError::Kind);
        assert_eq!(refused("vsock:16"), AddressError::Parts(VSOCK));
        assert_eq!(refused("vsock:x:1"), AddressError::Number);
        assert_eq!(refused("tcp:localhost"), AddressError::Parts(TCP));
        assert_eq!(refused("tcp::1"), AddressError::Parts(TCP));
        assert_eq!(refused("tcp:localhost:70000"), AddressError::Number);
        assert_eq!(refused("unix:"), AddressError::Parts(UNIX));
        assert_eq!(refused("hybrid:/run/x"), AddressError::Parts(HYBRID));
        assert!(refused("hybrid:/run/x").to_string().contains(HYBRID));
    }

    #[tokio::test]
    async fn the_hybrid_socket_is_asked_for_the_port_and_no_frame_byte_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vm.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let guest = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 13];
            stream.read_exact(&mut asked).await.unwrap();
            stream.write_all(b"OK 1073741824\nframe").await.unwrap();
            asked
        });
        let mut stream = EnclaveAddress::Hybrid { path, port: 5000 }
            .connect()
            .await
            .unwrap();
        let mut frame = [0; 5];
        stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(&frame, b"frame");
        assert_eq!(&guest.await.unwrap(), b"CONNECT 5000\n");
    }

    #[tokio::test]
    async fn a_hybrid_socket_that_does_not_say_ok_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vm.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let guest = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"NO\n").await.unwrap();
            stream
        });
        let refused = EnclaveAddress::Hybrid { path, port: 1 }.connect().await;
        assert_eq!(
            refused.err().unwrap().kind(),
            io::ErrorKind::ConnectionRefused
        );
        guest.await.unwrap();
    }
}
