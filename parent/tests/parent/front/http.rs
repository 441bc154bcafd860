//! HTTP/1.1 by hand, so that nothing is between the test and the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use sealsum_parent::Parent;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// One request; `None` if the connection ends without an answer.
pub(crate) async fn ask(at: SocketAddr, method: &str, path: &str, headers: &str) -> Option<Answer> {
    let stream = TcpStream::connect(at).await.ok()?;
    exchange(stream, method, path, headers).await.ok().flatten()
}

pub(crate) async fn ask_over_tls(
    parent: &Parent,
    client: &Arc<rustls::ClientConfig>,
    method: &str,
    path: &str,
    headers: &str,
) -> std::io::Result<Answer> {
    let stream = TcpStream::connect(parent.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::clone(client));
    let stream = connector.connect(name, stream).await?;
    let answer = exchange(stream, method, path, headers).await?;
    answer.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &str,
) -> std::io::Result<Option<Answer>> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = vec![];
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.map_err(|_| std::io::ErrorKind::TimedOut)??;
    let text = String::from_utf8(answer).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Ok(None);
    };
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok(status.map(|status| Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }))
}

/// A connection that goes on.
pub(crate) struct Open(tokio_rustls::client::TlsStream<TcpStream>);

impl Open {
    pub(crate) async fn over_tls(parent: &Parent, client: &Arc<rustls::ClientConfig>) -> Self {
        let stream = TcpStream::connect(parent.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::clone(client));
        Self(connector.connect(name, stream).await.unwrap())
    }

    /// One request and its answer; `None` if the connection has ended.
    pub(crate) async fn ask(&mut self, path: &str) -> Option<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.ok()?;
        let mut text = String::new();
        let (head, length) = loop {
            let mut piece = [0; 4096];
            let read = self
                .0
                .read(&mut piece)
                .await
                .ok()
                .filter(|read| *read > 0)?;
            text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            let Some((head, _)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap().parse().unwrap();
            if text.len() >= head.len() + 4 + length {
                break (head.to_owned(), length);
            }
        };
        let body = text[head.len() + 4..head.len() + 4 + length].to_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head, body })
    }
}

/// Waits until it is so, for a few seconds at most.
pub(crate) async fn upgraded(so: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to be so");
}

const PATIENCE: Duration = Duration::from_secs(10);
