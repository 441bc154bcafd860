//! A body's pieces as they arrive, cut to the lengths asked for without being copied, and
//! what is waited for: a deadline for each length, and an end.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

use super::UploadRejection;

/// A body's pieces.
pub(crate) struct Pieces<S> {
    stream: S,
    patience: Duration,
    waiting: Waiting,
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
            waiting: Waiting::default(),
            taken: 0,
            expected: 0,
        }
    }

    pub(super) fn body_from_here(&mut self, expected: u64) {
        self.taken = 0;
        self.expected = expected;
    }

    /// The next `bytes` bytes, in as many pieces as they came.
    pub(super) async fn exactly(&mut self, bytes: usize) -> Result<Vec<Bytes>, UploadRejection> {
        // For the whole, not anew for each byte: who sends a byte at a time holds a place
        // that others wait for.
        let deadline = self.deadline(bytes);
        while self.waiting.bytes < bytes {
            match self.next(deadline).await? {
                Some(piece) => self.waiting.push(piece),
                None => return Err(self.length()),
            }
        }
        self.taken += bytes as u64;
        Ok(self.waiting.take(bytes))
    }

    pub(super) async fn end(&mut self) -> Result<(), UploadRejection> {
        let deadline = self.deadline(0);
        while self.waiting.bytes == 0 {
            match self.next(deadline).await? {
                Some(piece) => self.waiting.push(piece),
                None => return Ok(()),
            }
        }
        Err(self.length())
    }

    fn length(&self) -> UploadRejection {
        UploadRejection::Length {
            expected: self.expected,
            found: self.taken + self.waiting.bytes as u64,
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
            let mut room = DRAIN_BYTES.saturating_sub(self.waiting.bytes);
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

/// What has arrived and was not taken, in order.
#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Bytes>,
    /// Behind `pieces`: small ones, copied together.
    copied: BytesMut,
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        if piece.len() < COPIED {
            self.copied.extend_from_slice(&piece);
        } else {
            self.close_copied();
            self.pieces.push_back(piece);
        }
    }

    /// The first `bytes` bytes, which are there.
    fn take(&mut self, bytes: usize) -> Vec<Bytes> {
        self.close_copied();
        let (mut taken, mut rest) = (Vec::new(), bytes);
        while let Some(mut piece) = self.pieces.pop_front() {
            if piece.len() > rest {
                self.pieces.push_front(piece.split_off(rest));
            }
            rest -= piece.len();
            if !piece.is_empty() {
                taken.push(piece);
            }
            if rest == 0 {
                break;
            }
        }
        self.bytes -= bytes;
        taken
    }

    fn close_copied(&mut self) {
        if !self.copied.is_empty() {
            self.pieces.push_back(self.copied.split().freeze());
        }
    }
}

/// A piece shorter than that is copied: it holds the whole buffer that it was read into,
/// which may be many times longer, and who sends a byte at a time would have us keep them all.
const COPIED: usize = 16 * 1024;
/// Bytes a second that the slowest phone is expected to send.
const SLOWEST: u64 = 16 * 1024;
/// Enough for what is in flight in socket buffers.
const DRAIN_BYTES: usize = 4 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_taken_is_what_was_pushed(
            lengths in prop::collection::vec(prop_oneof![0_usize..50, COPIED - 2..COPIED + 2, COPIED..100_000], 1..12),
            takes in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
            turns in prop::collection::vec(any::<bool>(), 24),
        ) {
            let (mut waiting, mut pushed, mut taken) = (Waiting::default(), Vec::new(), Vec::new());
            let (mut lengths, mut takes) = (lengths.into_iter(), takes.into_iter());
            for push in turns {
                if push {
                    let from = pushed.len();
                    let piece: Vec<u8> = (from..from + lengths.next().unwrap_or(1)).map(|i| (i * 7 + i / 256) as u8).collect();
                    pushed.extend_from_slice(&piece);
                    waiting.push(piece.into());
                } else if let Some(take) = takes.next() {
                    let bytes = take.index(waiting.bytes + 1);
                    let pieces = waiting.take(bytes);
                    prop_assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), bytes);
                    taken.extend(pieces.concat());
                }
                prop_assert_eq!(waiting.bytes, pushed.len() - taken.len());
            }
            taken.extend(waiting.take(waiting.bytes).concat());
            prop_assert!(taken == pushed, "in order, nothing twice");
        }
    }

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

    #[test]
    fn a_small_piece_does_not_hold_the_buffer_that_it_came_in() {
        let (mut waiting, buffers) = (Waiting::default(), Arc::new(AtomicUsize::new(0)));
        for number in 0..1000 {
            buffers.fetch_add(1, Ordering::Relaxed);
            let buffer = Buffer(vec![number as u8; 128 * 1024], Arc::clone(&buffers));
            let small = Bytes::from_owner(buffer).slice(5..6);
            waiting.push(small);
        }
        assert_eq!(buffers.load(Ordering::Relaxed), 0);
        assert_eq!(waiting.bytes, 1000);
    }
}
