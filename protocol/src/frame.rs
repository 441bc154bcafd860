//! Frames: how commands and replies cross the enclave's boundary. Sans-IO, so that
//! the enclave drives it with blocking sockets and the parent with tokio.
//!
//! head length (4 bytes, big-endian), body length (4 bytes, big-endian), head (a
//! canonical message), body (raw packed bytes, often empty). Both lengths are
//! checked before anything is allocated for them (I8).

/// One frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// A canonical message.
    pub head: Vec<u8>,
    /// Raw bytes beside it: one packed block, or nothing.
    pub body: Vec<u8>,
}

impl Frame {
    /// The frame's bytes.
    ///
    /// # Errors
    /// [`FrameError`] if head or body exceed their limits.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let head = length(self.head.len(), HEAD_LIMIT)
            .filter(|head| *head > 0)
            .ok_or(FrameError::Head(self.head.len()))?;
        let body = length(self.body.len(), BODY_LIMIT).ok_or(FrameError::Body(self.body.len()))?;
        Ok([
            &head.to_be_bytes()[..],
            &body.to_be_bytes()[..],
            &self.head,
            &self.body,
        ]
        .concat())
    }
}

/// Puts frames together from whatever pieces the transport delivers.
#[derive(Default)]
pub struct FrameDecoder {
    waiting: Vec<u8>,
}

impl FrameDecoder {
    /// Takes bytes in. Feed it at most [`FrameDecoder::wanted`] at a time to keep
    /// its buffer within one frame.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is there.
    ///
    /// # Errors
    /// [`FrameError`] as soon as a length in front exceeds its limit; the
    /// connection is beyond repair then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((head, body)) = self.lengths()? else {
            return Ok(None);
        };
        let (head_end, body_end) = ends(head, body);
        if self.waiting.len() < body_end {
            return Ok(None);
        }
        let rest = self.waiting.split_off(body_end);
        let mut frame = core::mem::replace(&mut self.waiting, rest);
        let body = frame.split_off(head_end);
        let head = frame.split_off(PREFIX);
        Ok(Some(Frame { head, body }))
    }

    /// How many more bytes the frame at hand needs; never 0 while a frame is incomplete.
    ///
    /// # Errors
    /// As [`FrameDecoder::next_frame`].
    pub fn wanted(&self) -> Result<usize, FrameError> {
        let until = match self.lengths()? {
            Some((head, body)) => ends(head, body).1,
            None => PREFIX,
        };
        Ok(until.saturating_sub(self.waiting.len()))
    }

    /// Whether a frame has begun and not ended: a connection closed here was cut.
    #[must_use]
    pub fn is_inside_a_frame(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn lengths(&self) -> Result<Option<(usize, usize)>, FrameError> {
        let Some((head, rest)) = self.waiting.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let Some((body, _)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let head = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        let body = usize::try_from(u32::from_be_bytes(*body)).unwrap_or(usize::MAX);
        if head == 0 || head > HEAD_LIMIT {
            return Err(FrameError::Head(head));
        }
        if body > BODY_LIMIT {
            return Err(FrameError::Body(body));
        }
        Ok(Some((head, body)))
    }
}

fn ends(head: usize, body: usize) -> (usize, usize) {
    // Both are below their limits, so neither sum saturates.
    let head_end = PREFIX.saturating_add(head);
    (head_end, head_end.saturating_add(body))
}

fn length(bytes: usize, limit: usize) -> Option<u32> {
    u32::try_from(bytes).ok().filter(|_| bytes <= limit)
}

/// A length that no honest peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The head's length is 0 or beyond its limit.
    #[error("a frame's head has 1 to {HEAD_LIMIT} bytes, not {0}")]
    Head(usize),
    /// The body's length is beyond its limit.
    #[error("a frame's body has at most {BODY_LIMIT} bytes, not {0}")]
    Body(usize),
}

/// Longest head: a reply with evidence (16 KiB of payload) fits with room.
pub const HEAD_LIMIT: usize = 64 * 1024;
/// Longest body: one full block at 64 bits.
pub const BODY_LIMIT: usize = 16_384 * 8;
const PREFIX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_survive_any_cutting(frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..200), prop::collection::vec(any::<u8>(), 0..200)), 1..5), cut in 1_usize..50) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(head, body)| Frame { head: head.clone(), body: body.clone() }.encode().unwrap()).collect();
            let mut decoder = FrameDecoder::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().unwrap() {
                    seen.push((frame.head, frame.body));
                }
            }
            prop_assert_eq!(seen, frames);
            prop_assert!(!decoder.is_inside_a_frame());
        }
    }

    #[test]
    fn a_length_beyond_its_limit_is_refused_before_the_bytes_arrive() {
        let mut decoder = FrameDecoder::default();
        decoder.push(&[0xff; 8]);
        assert_eq!(
            decoder.next_frame().err(),
            Some(FrameError::Head(0xffff_ffff))
        );
        let mut decoder = FrameDecoder::default();
        decoder.push(&[0, 0, 0, 1, 0, 2, 0, 1]);
        assert_eq!(decoder.wanted(), Err(FrameError::Body(131_073)));
        let mut decoder = FrameDecoder::default();
        decoder.push(&[0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decoder.next_frame().err(), Some(FrameError::Head(0)));
        assert_eq!(
            Frame {
                head: vec![],
                body: vec![]
            }
            .encode()
            .err(),
            Some(FrameError::Head(0))
        );
        assert!(
            Frame {
                head: vec![1],
                body: vec![0; BODY_LIMIT + 1]
            }
            .encode()
            .is_err()
        );
    }
}
