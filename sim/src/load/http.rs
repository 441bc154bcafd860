//! As much of an HTTP/1.1 client as load needs: one connection, one request at a time, little work.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that is kept for several requests.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A status and a body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as it goes.
    AtOnce,
    /// In pieces of this many bytes, with a rest before each.
    Slow(usize, Duration),
    /// Only the first so many bytes; then nothing more is sent.
    Cut(usize),
}

impl Connection {
    pub(crate) async fn open(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: load\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        self.answer().await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.send("POST", path, body, Pace::AtOnce).await
    }

    pub(crate) async fn put(&mut self, path: &str, body: &[u8], pace: Pace) -> io::Result<Answer> {
        self.send("PUT", path, body, pace).await
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        pace: Pace,
    ) -> io::Result<Answer> {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: load\r\ncontent-length: {length}\r\n\r\n");
        match pace {
            Pace::AtOnce if length <= TOGETHER => {
                let together = [head.as_bytes(), body].concat();
                self.stream.write_all(&together).await?;
            }
            Pace::AtOnce => {
                self.stream.write_all(head.as_bytes()).await?;
                self.stream.write_all(body).await?;
            }
            Pace::Slow(piece, rest) => {
                self.stream.write_all(head.as_bytes()).await?;
                for piece in body.chunks(piece.max(1)) {
                    tokio::time::sleep(rest).await;
                    self.stream.write_all(piece).await?;
                }
            }
            Pace::Cut(bytes) => {
                self.stream.write_all(head.as_bytes()).await?;
                self.stream.write_all(&body[..bytes.min(length)]).await?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        self.answer().await
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            let end = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None if self.received.len() > HEAD_LIMIT => return Err(not_http()),
                None => self.receive().await?,
            }
        };
        let head = std::str::from_utf8(&self.received[..end]).map_err(|_| not_http())?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then_some(value)
        });
        let length: usize = length
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0);
        let status = status.ok_or_else(not_http)?;
        while self.received.len() < end + length {
            self.receive().await?;
        }
        let rest = self.received.split_off(end + length);
        let body = self.received.split_off(end);
        self.received = rest;
        Ok(Answer { status, body })
    }

    async fn receive(&mut self) -> io::Result<()> {
        self.received.reserve(PIECE);
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn not_http() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no HTTP/1.1 answer")
}

/// Head and body that go into one write.
const TOGETHER: usize = 64 * 1024;
const HEAD_LIMIT: usize = 16 * 1024;
const PIECE: usize = 16 * 1024;
