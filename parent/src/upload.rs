//! Reading an upload: its lengths, header and blocks are checked as they arrive, and
//! what arrives lies under a temporary name until it is the body of its commitment.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use sealsum_protocol::pack::{UnpackError, unpack};
use sealsum_protocol::upload::{HEADER_LIMIT, UploadError, header, header_length};
use sealsum_protocol::{ClientId, Commitment, CommitmentBuilder, ContributionHeader};

use tokio::time::Instant;

use crate::round::Round;
use crate::storage::{Blob, BlobWriter, Storage, StorageError};

/// An upload whose body is that of its commitment; not committed yet.
pub(crate) struct CheckedUpload {
    pub(crate) header: ContributionHeader,
    pub(crate) writer: Box<dyn BlobWriter>,
}

/// Checks the length that a request announces, before its body is read.
pub(crate) fn check_announced(round: &Round, announced: u64) -> Result<(), UploadRejection> {
    let body = round.layout().total_bytes();
    let (least, most) = (
        LENGTH_BYTES + 1 + body,
        LENGTH_BYTES + HEADER_LIMIT as u64 + body,
    );
    if (least..=most).contains(&announced) {
        Ok(())
    } else {
        Err(UploadRejection::Length {
            expected: body,
            found: announced,
        })
    }
}

/// Reads an upload of `client` to `round`.
pub(crate) async fn receive<S, E>(
    storage: &dyn Storage,
    round: &Round,
    client: ClientId,
    pieces: &mut Pieces<S>,
) -> Result<CheckedUpload, UploadRejection>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let first = pieces.exactly(4).await?;
    let first: [u8; 4] = first.as_ref().try_into().unwrap_or_default();
    let header_bytes = pieces.exactly(header_length(first)?).await?;
    let header = header(&header_bytes)?;
    if header.round_id != round.id() {
        return Err(UploadRejection::OtherRound);
    }
    if header.client != client {
        return Err(UploadRejection::OtherClient(header.client));
    }
    let blob = Blob::Upload(client);
    let mut writer = storage.write_blob(round.id(), blob).await?;
    writer.write(&first)?;
    writer.write(&header_bytes)?;

    let layout = round.layout();
    pieces.body_from_here(layout.total_bytes());
    let mut commitment = CommitmentBuilder::masked_update();
    for index in layout.indices() {
        let block = pieces.exactly(layout.bytes(index).unwrap_or(0)).await?;
        if index + 1 == layout.blocks() {
            // Full blocks end on a byte; only the last can have padding.
            unpack(&block, layout.bits(), layout.elements(index).unwrap_or(0))?;
        }
        commitment.push(&block);
        writer.write(&block)?;
    }
    pieces.end().await?;
    let found = Commitment(commitment.root());
    if found == header.commitment {
        Ok(CheckedUpload { header, writer })
    } else {
        Err(UploadRejection::Commitment)
    }
}

/// A body's pieces, put together to the lengths asked for.
pub(crate) struct Pieces<S> {
    stream: S,
    patience: Duration,
    waiting: BytesMut,
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
            waiting: BytesMut::new(),
            taken: 0,
            expected: 0,
        }
    }

    fn body_from_here(&mut self, expected: u64) {
        self.taken = 0;
        self.expected = expected;
    }

    async fn exactly(&mut self, bytes: usize) -> Result<BytesMut, UploadRejection> {
        // For the whole, not anew for each byte: who sends a byte at a time holds a place
        // that others wait for.
        let deadline = self.deadline(bytes);
        while self.waiting.len() < bytes {
            match self.next(deadline).await? {
                Some(piece) => self.waiting.extend_from_slice(&piece),
                None => {
                    return Err(UploadRejection::Length {
                        expected: self.expected,
                        found: self.taken + self.waiting.len() as u64,
                    });
                }
            }
        }
        self.taken += bytes as u64;
        Ok(self.waiting.split_to(bytes))
    }

    async fn end(&mut self) -> Result<(), UploadRejection> {
        let deadline = self.deadline(0);
        while self.waiting.is_empty() {
            match self.next(deadline).await? {
                Some(piece) => self.waiting.extend_from_slice(&piece),
                None => return Ok(()),
            }
        }
        Err(UploadRejection::Length {
            expected: self.expected,
            found: self.taken + self.waiting.len() as u64,
        })
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
            let mut room = DRAIN_BYTES.saturating_sub(self.waiting.remaining());
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

/// Why an upload is not taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadRejection {
    /// Too many or too few bytes.
    #[error("a masked update of this round has {expected} bytes behind the header, not {found}")]
    Length {
        /// Bytes of the masked update.
        expected: u64,
        /// Bytes that came, or that the request announced in all.
        found: u64,
    },
    /// No header where it should be.
    #[error(transparent)]
    Header(#[from] UploadError),
    /// The header names another round than the path.
    #[error("the header is of another round than the one in the path")]
    OtherRound,
    /// The header names another client than the path.
    #[error("the header is of client {0}, not of the one in the path")]
    OtherClient(ClientId),
    /// The body is not the one of the commitment.
    #[error("the masked update is not the one that its commitment names; send it again whole")]
    Commitment,
    /// The last block's padding is not zero.
    #[error("the masked update's last block: {0}")]
    Padding(#[from] UnpackError),
    /// The connection ended early.
    #[error("the upload was cut before its end")]
    Cut,
    /// The next piece took too long.
    #[error("the upload stalled")]
    Stalled,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Bytes a second that the slowest phone is expected to send.
const SLOWEST: u64 = 16 * 1024;
const LENGTH_BYTES: u64 = 4;
/// Enough for what is in flight in socket buffers.
const DRAIN_BYTES: usize = 4 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(1);
