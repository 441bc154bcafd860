//! One connection: bytes in, bytes out. Sans-IO, so the mock's sockets and the
//! production vsock drive the same code.

use sealsum_protocol::frame::{FrameDecoder, FrameError};
use sealsum_protocol::messages::Message as _;
use sealsum_protocol::{Command, Refusal, Reply};

use crate::enclave::{Answer, ConnectionId, Enclave};
use crate::seams::{Clock, Nsm};

/// The state of one connection: at most one frame.
pub struct Session {
    connection: ConnectionId,
    decoder: FrameDecoder,
}

impl Session {
    /// A new connection. Its id must be unique among those that live.
    #[must_use]
    pub fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            decoder: FrameDecoder::default(),
        }
    }

    /// How many bytes to read next, at most; never 0. Reading no more keeps the
    /// connection's memory within one frame (I8).
    ///
    /// # Errors
    /// [`FrameError`]: close the connection.
    pub fn wanted(&self) -> Result<usize, FrameError> {
        self.decoder.wanted()
    }

    /// Takes received bytes; gives the bytes to send, if a command was complete.
    ///
    /// # Errors
    /// [`FrameError`]: close the connection.
    pub fn receive<N: Nsm, C: Clock>(
        &mut self,
        bytes: &[u8],
        enclave: &mut Enclave<N, C>,
    ) -> Result<Vec<u8>, FrameError> {
        self.decoder.push(bytes);
        let mut out = Vec::new();
        while let Some(frame) = self.decoder.next_frame()? {
            let answer = match Command::from_head(&frame.head) {
                Ok(command) => enclave.handle(self.connection, command, &frame.body),
                Err(_) => Answer::from(Reply::Refused(Refusal::Malformed)),
            };
            out.extend(answer.reply.to_frame(answer.body).encode()?);
        }
        Ok(out)
    }

    /// The connection is gone: what it was staging is dropped (I9).
    pub fn close<N: Nsm, C: Clock>(self, enclave: &mut Enclave<N, C>) {
        enclave.disconnect(self.connection);
    }
}
