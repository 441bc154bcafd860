//! One connection from its first byte to its last: blocking reads into the core's
//! session, its replies out.
//!
//! Reads never take more than the frame at hand still wants, so that a connection's
//! memory stays within one frame (I8); what it was staging is dropped when it ends,
//! however it ends (I9). Between frames it may idle for as long as it likes; within
//! one it has a limited time.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use sealsum_enclave_core::{Clock, ConnectionId, Nsm, Session};
use sealsum_protocol::frame::FrameError;

use crate::shared::Shared;

/// A stream of bytes whose reads can be limited in time.
pub(crate) trait Transport: Read + Write + Send {
    /// How long a read may wait; `None` is for as long as it takes.
    fn limit_reads(&self, limit: Option<Duration>) -> io::Result<()>;
}

/// Serves a connection until its peer closes it between two frames.
///
/// # Errors
/// [`Cut`]: it ended otherwise.
pub(crate) fn serve<T: Transport + ?Sized, N: Nsm, C: Clock>(
    transport: &mut T,
    connection: ConnectionId,
    enclave: &Shared<N, C>,
    frame_time: Duration,
) -> Result<(), Cut> {
    let mut session = Session::new(connection);
    let outcome = exchange(transport, &mut session, enclave, frame_time);
    session.close(&mut enclave.lock());
    outcome
}

fn exchange<T: Transport + ?Sized, N: Nsm, C: Clock>(
    transport: &mut T,
    session: &mut Session,
    enclave: &Shared<N, C>,
    frame_time: Duration,
) -> Result<(), Cut> {
    let mut piece = vec![0; READ_LIMIT];
    // When the frame at hand must be whole; `None` between frames.
    let mut deadline: Option<Instant> = None;
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(Cut::Late(frame_time));
        }
        transport.limit_reads(left)?;
        let wanted = session.wanted()?.min(READ_LIMIT);
        let read = match transport.read(&mut piece[..wanted]) {
            Ok(0) if deadline.is_none() => return Ok(()),
            Ok(0) => return Err(Cut::Half),
            Ok(read) => read,
            Err(error) if is_passing(&error) => continue,
            Err(error) => return Err(error.into()),
        };
        let replying = enclave.replying();
        let reply = session.receive(&piece[..read], &mut enclave.lock())?;
        // No read goes past its frame, and every whole frame has a reply.
        if reply.is_empty() {
            deadline = deadline.or_else(|| Instant::now().checked_add(frame_time));
        } else {
            transport.write_all(&reply)?;
            deadline = None;
        }
        drop(replying);
    }
}

/// Interrupted, or out of time: the deadline decides whether that is the end.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Why a connection ended in the middle of something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Cut {
    /// The peer sent a length that no honest one sends.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer closed the connection within a frame.
    #[error("the peer closed it in the middle of a frame")]
    Half,
    /// The peer stopped within a frame.
    #[error("a frame was not whole {} ms after its first byte", .0.as_millis())]
    Late(Duration),
    /// The system says no, or the peer does not read its replies.
    #[error("reading or writing failed: {0}")]
    Io(#[from] io::Error),
}

/// The most that one read takes, in bytes.
const READ_LIMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests;
