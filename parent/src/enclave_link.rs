//! The link to the enclave: one connection, one command at a time.
//!
//! The enclave stages one contribution per connection, so whoever streams one holds
//! the link until it is in. An exchange that is cut in the middle leaves no half
//! read reply behind: its connection is closed, and the next one opens another.

mod names;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sealsum_protocol::frame::{FrameDecoder, FrameError};
use sealsum_protocol::messages::Message as _;
use sealsum_protocol::{Command, Refusal, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout};

use crate::address::{EnclaveAddress, Transport};
use crate::metrics::Metrics;
use names::name;

/// The link.
pub(crate) struct EnclaveLink {
    address: EnclaveAddress,
    patience: Patience,
    metrics: Metrics,
    connection: Mutex<Option<Box<dyn Transport>>>,
    /// Whether the last exchange had an answer.
    answering: AtomicBool,
}

/// How long the link waits, in each step.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For others that use the link.
    pub turn: Duration,
    /// For the connection.
    pub connect: Duration,
    /// For one reply; an NSM may take seconds.
    pub reply: Duration,
}

/// A reply with the frame's body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) body: Vec<u8>,
}

/// The link, held for several commands in a row. Dropped before [`Session::finish`],
/// it closes the connection, and with it what the enclave has staged.
pub(crate) struct Session<'a> {
    link: &'a EnclaveLink,
    connection: MutexGuard<'a, Option<Box<dyn Transport>>>,
    begun: bool,
    finished: bool,
}

impl EnclaveLink {
    pub(crate) fn new(address: EnclaveAddress, patience: Patience, metrics: Metrics) -> Self {
        Self {
            address,
            patience,
            metrics,
            connection: Mutex::new(None),
            answering: AtomicBool::new(false),
        }
    }

    /// One command and its reply. Bytes in both directions are added to `boundary`.
    pub(crate) async fn ask(
        &self,
        command: &Command,
        body: Vec<u8>,
        boundary: &AtomicU64,
    ) -> Result<Answer, LinkError> {
        let mut session = self.session().await?;
        let answer = session.ask(command, body, boundary).await;
        // A refusal is a whole reply too.
        if matches!(answer, Ok(_) | Err(LinkError::Refused(_))) {
            session.finish();
        }
        answer
    }

    /// Where the enclave should be.
    pub(crate) const fn address(&self) -> &EnclaveAddress {
        &self.address
    }

    /// Whether the enclave answered when it was last asked; false before that.
    pub(crate) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed)
    }

    fn heard(&self, command: &Command, took: Duration, answer: &Result<Answer, LinkError>) {
        let silent = answer.as_ref().is_err_and(LinkError::is_silence);
        let answered = self.answering.swap(!silent, Ordering::Relaxed);
        match (answered, silent, answer.as_ref().err()) {
            (true, true, Some(error)) => {
                tracing::warn!(enclave = %self.address, %error, "the enclave does not answer any more");
            }
            (false, false, _) => tracing::info!(enclave = %self.address, "the enclave answers"),
            _ => {}
        }
        self.metrics.reachable(!silent);
        self.metrics
            .exchanged(name(command), took, answer.as_ref().err());
    }

    /// Waits for one's turn.
    pub(crate) async fn session(&self) -> Result<Session<'_>, LinkError> {
        let connection = timeout(self.patience.turn, self.connection.lock())
            .await
            .map_err(|_| LinkError::Busy)?;
        Ok(self.hold(connection))
    }

    /// Takes the link only if nobody waits for it.
    pub(crate) fn session_if_free(&self) -> Option<Session<'_>> {
        let connection = self.connection.try_lock().ok()?;
        Some(self.hold(connection))
    }

    fn hold<'a>(&'a self, connection: MutexGuard<'a, Option<Box<dyn Transport>>>) -> Session<'a> {
        Session {
            link: self,
            connection,
            begun: false,
            finished: false,
        }
    }

    async fn connect(&self) -> Result<Box<dyn Transport>, LinkError> {
        match timeout(self.patience.connect, self.address.connect()).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(source)) => Err(LinkError::Unreachable {
                address: self.address.clone(),
                source,
            }),
            Err(_) => Err(LinkError::TimedOut),
        }
    }
}

impl Session<'_> {
    /// One command and its reply.
    ///
    /// If the session's first command meets a connection that died while idle, it
    /// is sent again on a fresh one. Every command may be repeated.
    pub(crate) async fn ask(
        &mut self,
        command: &Command,
        body: Vec<u8>,
        boundary: &AtomicU64,
    ) -> Result<Answer, LinkError> {
        let begun = Instant::now();
        let answer = self.ask_now(command, body, boundary).await;
        self.link.heard(command, begun.elapsed(), &answer);
        answer
    }

    async fn ask_now(
        &mut self,
        command: &Command,
        body: Vec<u8>,
        boundary: &AtomicU64,
    ) -> Result<Answer, LinkError> {
        let frame = command.to_frame(body).encode().map_err(LinkError::Frame)?;
        let may_repeat = !self.begun;
        self.begun = true;
        if let Some(stream) = self.connection.take() {
            match self.exchange(stream, &frame, boundary).await {
                Err(LinkError::Broken(_)) if may_repeat => {}
                answer => return answer,
            }
        } else if !may_repeat {
            return Err(LinkError::Broken(io::ErrorKind::NotConnected.into()));
        }
        let stream = self.link.connect().await?;
        self.exchange(stream, &frame, boundary).await
    }

    /// The last reply was read whole: the connection may serve others.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }

    async fn exchange(
        &mut self,
        mut stream: Box<dyn Transport>,
        frame: &[u8],
        boundary: &AtomicU64,
    ) -> Result<Answer, LinkError> {
        let answer = timeout(
            self.link.patience.reply,
            send_and_receive(&mut stream, frame, boundary, &self.link.metrics),
        )
        .await
        .map_err(|_| LinkError::TimedOut)??;
        *self.connection = Some(stream);
        match answer.reply {
            Reply::Refused(refusal) => Err(LinkError::Refused(refusal)),
            _ => Ok(answer),
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if !self.finished {
            *self.connection = None;
        }
    }
}

async fn send_and_receive(
    stream: &mut Box<dyn Transport>,
    frame: &[u8],
    boundary: &AtomicU64,
    metrics: &Metrics,
) -> Result<Answer, LinkError> {
    stream.write_all(frame).await.map_err(LinkError::Broken)?;
    stream.flush().await.map_err(LinkError::Broken)?;
    boundary.fetch_add(frame.len() as u64, Ordering::Relaxed);
    metrics.crossed("to_enclave", frame.len() as u64);

    let mut decoder = FrameDecoder::default();
    let mut piece = vec![0; PIECE];
    loop {
        if let Some(frame) = decoder.next_frame().map_err(LinkError::Frame)? {
            let reply = Reply::from_head(&frame.head).map_err(|_| LinkError::Garbled)?;
            return Ok(Answer {
                reply,
                body: frame.body,
            });
        }
        let wanted = decoder.wanted().map_err(LinkError::Frame)?.min(PIECE);
        let read = stream
            .read(&mut piece[..wanted])
            .await
            .map_err(LinkError::Broken)?;
        if read == 0 {
            return Err(LinkError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        boundary.fetch_add(read as u64, Ordering::Relaxed);
        metrics.crossed("from_enclave", read as u64);
        decoder.push(&piece[..read]);
    }
}

/// Why there is no answer from the enclave.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Others have held the link too long. Trying again helps.
    #[error("the link to the enclave is busy")]
    Busy,
    /// Nobody answers at the address.
    #[error("no enclave answers at {address}: {source}")]
    Unreachable {
        /// Where it should be.
        address: EnclaveAddress,
        /// What the system said.
        source: io::Error,
    },
    /// The connection or the reply took too long.
    #[error("the enclave did not answer in time")]
    TimedOut,
    /// The connection ended in the middle of an exchange.
    #[error("the connection to the enclave broke: {0}")]
    Broken(io::Error),
    /// A frame that no enclave sends, or that is too large to send.
    #[error("a frame at the enclave's boundary: {0}")]
    Frame(FrameError),
    /// What answers there does not speak protocol version 1.
    #[error("the enclave's reply is not a message of protocol version 1")]
    Garbled,
    /// A reply that does not answer the command.
    #[error("the enclave's reply does not answer {0}")]
    OutOfPlace(&'static str),
    /// The enclave declined.
    #[error("the enclave refused: {0}")]
    Refused(Refusal),
}

impl LinkError {
    /// Whether nobody is there, or nobody answers in time.
    pub(crate) const fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::TimedOut | Self::Broken(_)
        )
    }

    /// One word for it.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Broken(_) => "broken",
            Self::Frame(_) | Self::Garbled | Self::OutOfPlace(_) => "garbled",
            Self::Refused(_) => "refused",
        }
    }

    /// The same for another whose word was in the same exchange.
    pub(crate) fn for_another(&self) -> Self {
        match self {
            Self::Busy => Self::Busy,
            Self::Unreachable { address, source } => Self::Unreachable {
                address: address.clone(),
                source: source.kind().into(),
            },
            Self::TimedOut => Self::TimedOut,
            Self::Broken(source) => Self::Broken(source.kind().into()),
            Self::Frame(error) => Self::Frame(*error),
            Self::Garbled => Self::Garbled,
            Self::OutOfPlace(command) => Self::OutOfPlace(command),
            Self::Refused(refusal) => Self::Refused(*refusal),
        }
    }
}

/// The pieces in which a reply is read: two full blocks of 32 bits.
const PIECE: usize = 128 * 1024;

#[cfg(test)]
mod tests;
