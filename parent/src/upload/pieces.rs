//! A body's pieces as they arrive, put together to the lengths asked for: a deadline for
//! each length, and an end.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

use super::UploadRejection;

/// A body's pieces.
///
/// Each is copied where it is wanted and let go at once: it holds the whole buffer that it
/// was read into, which the connection can't use again before that.
pub(crate) struct Pieces<S> {
    stream: S,
    patience: Duration,
    /// What is left of the last piece.
    piece: Bytes,
    /// Taken since the masked update began.
    taken: u64,
    /// What the masked update should have.
    expected: u64,
}

impl<S, E> Pieces<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            piece: Bytes::new(),
            taken: 0,
            expected: 0,
        }
    }

    pub(super) fn body_from_here(&mut self, expected: u64) {
        self.taken = 0;
        self.expected = expected;
    }

    /// Appends the next `bytes` bytes.
    pub(super) async fn take(
        &mut self,
        bytes: usize,
        to: &mut Vec<u8>,
    ) -> Result<(), UploadRejection> {
        // For the whole, not anew for each byte: who sends a byte at a time holds a place
        // that others wait for.
        let deadline = self.deadline(bytes);
        let mut missing = bytes;
        loop {
            let part = missing.min(self.piece.len());
            to.extend_from_slice(&self.piece[..part]);
            self.piece.advance(part);
            self.taken += part as u64;
            missing -= part;
            if self.piece.is_empty() {
                self.piece = Bytes::new();
            }
            if missing == 0 {
                return Ok(());
            }
            match self.next(deadline).await? {
                Some(piece) => self.piece = piece,
                None => return Err(self.length()),
            }
        }
    }

    pub(super) async fn end(&mut self) -> Result<(), UploadRejection> {
        let deadline = self.deadline(0);
        while self.piece.is_empty() {
            match self.next(deadline).await? {
                Some(piece) => self.piece = piece,
                None => return Ok(()),
            }
        }
        Err(self.length())
    }

    fn length(&self) -> UploadRejection {
        UploadRejection::Length {
            expected: self.expected,
            found: self.taken + self.piece.len() as u64,
        }
    }

    fn deadline(&self, bytes: usize) -> Instant {
        Instant::now() + self.patience + Duration::from_secs(bytes as u64 / SLOWEST)
    }

    async fn next(&mut self, deadline: Instant) -> Result<Option<Bytes>, UploadRejection> {
        match tokio::time::timeout_at(deadline, self.stream.next()).await {
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(_))) => Err(UploadRejection::Cut),
            Ok(None) => Ok(None),
            Err(_) => Err(UploadRejection::Stalled),
        }
    }

    /// Reads on for a moment after a rejection: a client still sending may lose the
    /// answer if its connection closes with bytes unread.
    pub(crate) async fn drain(mut self) {
        let drained = tokio::time::timeout(DRAIN_TIME, async {
            let mut room = DRAIN_BYTES.saturating_sub(self.piece.remaining());
            while let Some(Ok(piece)) = self.stream.next().await {
                match room.checked_sub(piece.len()) {
                    Some(rest) => room = rest,
                    None => break,
                }
            }
        });
        // Whether it was all or not, the answer is the same.
        let _ = drained.await;
    }
}

/// Reads a body that nobody wants, as [`Pieces::drain`] does.
pub(crate) async fn drain_body(body: axum::body::Body) {
    Pieces::new(body.into_data_stream(), DRAIN_TIME)
        .drain()
        .await;
}

/// Bytes a second that the slowest phone is expected to send.
const SLOWEST: u64 = 16 * 1024;
/// Enough for what is in flight in socket buffers.
const DRAIN_BYTES: usize = 4 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::stream;

    use super::*;

    /// A buffer that says when it is gone.
    struct Buffer(Vec<u8>, Arc<AtomicUsize>);

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Buffer {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_small_piece_does_not_hold_the_buffer_that_it_came_in() {
        let buffers = Arc::new(AtomicUsize::new(0));
        let held = Arc::clone(&buffers);
        let small = stream::iter(0..1000).map(move |number| {
            // Whoever asks for the next one has let the last one go.
            assert_eq!(held.fetch_add(1, Ordering::Relaxed), 0);
            let buffer = Buffer(vec![number as u8; 128 * 1024], Arc::clone(&held));
            Ok::<_, std::io::Error>(Bytes::from_owner(buffer).slice(5..6))
        });
        let mut pieces = Pieces::new(small, Duration::from_secs(5));
        let mut taken = Vec::new();
        pieces.take(1000, &mut taken).await.unwrap();
        pieces.end().await.unwrap();
        assert_eq!(buffers.load(Ordering::Relaxed), 0);
        assert!(
            taken
                .iter()
                .copied()
                .eq((0..1000).map(|number| number as u8))
        );
    }
}
