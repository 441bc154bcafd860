//! A client that begins an upload over HTTP and takes its time, or never ends.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use sealsum_protocol::upload;

use crate::Contribution;

/// An upload under way.
pub struct SlowSender {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl SlowSender {
    /// Connects to a parent at `http://HOST:PORT` and announces the whole contribution, but
    /// sends nothing of it yet.
    #[must_use]
    pub fn begin(parent: &str, contribution: &Contribution) -> Self {
        let host = parent.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let header = &contribution.header;
        let mut rest = upload::prefix(header);
        rest.extend_from_slice(&contribution.body);
        let head = format!(
            "PUT /v1/rounds/{}/contributions/{} HTTP/1.1\r\nhost: {host}\r\n\
             content-type: application/octet-stream\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n",
            header.round_id,
            header.client,
            rest.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        Self { stream, rest }
    }

    /// Sends the next bytes; gives how many are left.
    pub fn send(&mut self, bytes: usize) -> usize {
        let later = self.rest.split_off(bytes.min(self.rest.len()));
        self.stream.write_all(&self.rest).unwrap();
        self.rest = later;
        self.rest.len()
    }

    /// Sends all that is left.
    pub fn send_rest(&mut self) {
        self.send(self.rest.len());
    }

    /// The answer's status and body, whenever it comes.
    #[must_use]
    pub fn answer(mut self) -> (u16, String) {
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        (
            status.unwrap_or_else(|| panic!("no answer: {answer:?}")),
            body.unwrap_or_default().to_owned(),
        )
    }

    /// Sends no more, but still listens; the parent sees the upload cut.
    pub fn hang_up(self) {
        // It may be gone on the other side, too.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
