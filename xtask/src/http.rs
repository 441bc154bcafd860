//! As much HTTP/1.1 as a hostile proxy and a kill test need: one message per connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// A request or a response.
pub(crate) struct Message {
    /// Request line or status line.
    pub(crate) first_line: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// A request to `server`, its body to follow.
    pub(crate) fn request(server: SocketAddr, method: &str, path: &str, body: Vec<u8>) -> Self {
        Self {
            first_line: format!("{method} {path} HTTP/1.1"),
            headers: vec![("host".to_owned(), server.to_string())],
            body,
        }
    }

    /// A response's status; 0 if there is none.
    pub(crate) fn status(&self) -> u16 {
        let word = self.first_line.split(' ').nth(1);
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// A response without headers of its own.
    pub(crate) fn response(status: &str, content_type: &str, body: Vec<u8>) -> Self {
        Self {
            first_line: format!("HTTP/1.1 {status}"),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body,
        }
    }

    /// Reads one message, its body by length, in chunks, or (a response) to the end.
    pub(crate) fn read(from: &mut impl Read) -> Result<Self> {
        let head = read_head(from)?;
        let mut lines = head.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut message = Self {
            first_line,
            headers,
            body: Vec::new(),
        };
        message.body = message.read_body(from)?;
        Ok(message)
    }

    fn read_body(&self, from: &mut impl Read) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if let Some(length) = self.header("content-length") {
            body.resize(length.parse::<usize>()?.min(BODY_LIMIT), 0);
            from.read_exact(&mut body)?;
        } else if self.header("transfer-encoding").is_some() {
            while let Some(chunk) = read_chunk(from)? {
                body.extend_from_slice(&chunk);
            }
        } else if self.first_line.starts_with("HTTP/") {
            from.take(BODY_LIMIT as u64).read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(found, _)| found == name);
        header.map(|(_, value)| value.as_str())
    }

    /// Writes the message as the only one of its connection, and of its body only
    /// `body_bytes`.
    pub(crate) fn write(&self, to: &mut impl Write, body_bytes: usize) -> Result<()> {
        to.write_all(self.head().as_bytes())?;
        to.write_all(&self.body[..body_bytes.min(self.body.len())])?;
        to.flush()?;
        Ok(())
    }

    /// First line and headers, those of this connection among them.
    pub(crate) fn head(&self) -> String {
        let mut head = format!("{}\r\n", self.first_line);
        for (name, value) in &self.headers {
            if !PER_CONNECTION.contains(&name.as_str()) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            self.body.len()
        ));
        head
    }

    /// The request's path with its query.
    pub(crate) fn path(&self) -> &str {
        self.first_line.split(' ').nth(1).unwrap_or_default()
    }

    /// Sends the request to `server` and reads the response.
    pub(crate) fn send(&self, server: SocketAddr) -> Result<Self> {
        let mut connection = TcpStream::connect(server)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        self.write(&mut connection, self.body.len())?;
        Self::read(&mut connection)
    }
}

/// Fetches a path from `server`; anything but 200 is an error.
pub(crate) fn fetch(server: SocketAddr, path: &str) -> Result<Vec<u8>> {
    let response = Message::request(server, "GET", path, Vec::new()).send(server)?;
    ensure!(
        response.status() == 200,
        "GET {path}: {}",
        response.first_line
    );
    Ok(response.body)
}

fn read_head(from: &mut impl Read) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
        ensure!(head.len() < HEAD_LIMIT, "an HTTP head without an end");
    }
    String::from_utf8(head).context("an HTTP head that is no text")
}

fn read_chunk(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let line = read_line(from)?;
    let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
    if length > BODY_LIMIT {
        bail!("a chunk of {length} bytes");
    }
    let mut chunk = vec![0; length];
    from.read_exact(&mut chunk)?;
    read_line(from)?;
    Ok((length > 0).then_some(chunk))
}

fn read_line(from: &mut impl Read) -> Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        line.push(byte[0]);
        ensure!(line.len() < HEAD_LIMIT, "a line without an end");
    }
    Ok(String::from_utf8(line)?.trim_end().to_owned())
}

/// Written anew for each connection.
const PER_CONNECTION: [&str; 4] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
];
const TIMEOUT: Duration = Duration::from_secs(60);
const HEAD_LIMIT: usize = 16 * 1024;
const BODY_LIMIT: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_by_length_in_chunks_and_to_the_end() {
        for text in [
            "PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nhello",
        ] {
            let message = Message::read(&mut text.as_bytes()).expect("a message");
            assert_eq!(message.body, b"hello", "{text}");
        }
    }

    #[test]
    fn what_is_passed_on_has_one_length() {
        let text =
            "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n2\r\nhe\r\n0\r\n\r\n";
        let message = Message::read(&mut text.as_bytes()).expect("a message");
        let mut written = Vec::new();
        message.write(&mut written, 1).expect("written");
        let expected =
            "PUT /a HTTP/1.1\r\nhost: b\r\ncontent-length: 2\r\nconnection: close\r\n\r\nh";
        assert_eq!(String::from_utf8(written).expect("text"), expected);
    }
}
