//! An enclave in another process, over its real socket.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sealsum_protocol::frame::{Frame, FrameDecoder};
use sealsum_protocol::messages::Message as _;
use sealsum_protocol::{Command, Reply};

use crate::Link;

/// One TCP connection that speaks frames.
pub struct SocketLink {
    stream: TcpStream,
    decoder: FrameDecoder,
}

impl SocketLink {
    /// Connects to `tcp:HOST:PORT`.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address.trim_start_matches("tcp:")).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            stream,
            decoder: FrameDecoder::default(),
        }
    }

    /// Sends raw bytes, whatever they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame; `None` if the enclave closed the connection.
    pub fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(frame);
            }
            let mut bytes = vec![0; self.decoder.wanted().unwrap()];
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.decoder.push(bytes.get(..read).unwrap()),
            }
        }
    }
}

impl SocketLink {
    /// Whether the enclave closes the connection, within five seconds and without a word.
    #[must_use]
    pub fn is_closed(mut self) -> bool {
        self.stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        match self.stream.read(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

impl Link for SocketLink {
    fn call(&mut self, command: Command, body: &[u8]) -> (Reply, Vec<u8>) {
        self.send(&command.to_frame(body.to_vec()).encode().unwrap());
        let frame = self.receive().expect("the enclave closed the connection");
        (Reply::from_head(&frame.head).unwrap(), frame.body)
    }
}
