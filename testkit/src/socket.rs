//! An enclave in another process, over its real socket.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sealsum_protocol::frame::{Frame, FrameDecoder};
use sealsum_protocol::messages::Message as _;
use sealsum_protocol::{Command, Reply};

use crate::Link;

/// One connection that speaks frames.
pub struct SocketLink {
    stream: Box<dyn Stream>,
    decoder: FrameDecoder,
}

trait Stream: Read + Write {
    fn limit_reads(&self, limit: Duration);
}

impl Stream for TcpStream {
    fn limit_reads(&self, limit: Duration) {
        self.set_read_timeout(Some(limit)).unwrap();
    }
}

impl Stream for UnixStream {
    fn limit_reads(&self, limit: Duration) {
        self.set_read_timeout(Some(limit)).unwrap();
    }
}

impl SocketLink {
    /// Connects to `tcp:HOST:PORT`, or through `hybrid:PATH:PORT` to a guest.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        if let Some((socket, port)) = address
            .strip_prefix("hybrid:")
            .and_then(|rest| rest.rsplit_once(':'))
        {
            let stream = guest(Path::new(socket), port.parse().unwrap());
            return Self::over(stream.expect("the guest does not answer"));
        }
        let stream = TcpStream::connect(address.trim_start_matches("tcp:")).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    fn over(stream: impl Stream + 'static) -> Self {
        stream.limit_reads(Duration::from_secs(30));
        Self {
            stream: Box::new(stream),
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
        self.stream.limit_reads(Duration::from_secs(5));
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

/// A stream to a port of a guest. A guest that is starting, or whose queue is full, closes it
/// before a word: that is tried again for half a minute.
///
/// # Errors
/// The last try's.
pub fn guest(socket: &Path, port: u32) -> std::io::Result<UnixStream> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match guest_once(socket, port) {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            outcome => return outcome,
        }
    }
}

/// The same, tried once.
///
/// # Errors
/// Nobody listens at the port, or the queue is full.
pub fn guest_once(socket: &Path, port: u32) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("CONNECT {port}\n").as_bytes())?;
    let mut line = Vec::new();
    // Byte by byte: what follows the line is the guest's.
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    if !line.starts_with(b"OK ") {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    stream.set_read_timeout(None)?;
    Ok(stream)
}
