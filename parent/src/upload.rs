//! Reading an upload: its lengths, header and blocks are checked as they arrive, and
//! what arrives lies under a temporary name until it is the body of its commitment.
//!
//! About a MiB is gathered, then a thread that may wait hashes and writes it; the client is
//! read on after that. An upload has no more memory than this, however long it is.

mod kept;
mod pieces;

use bytes::Bytes;
use futures_util::Stream;
use sealsum_protocol::merkle::Frontier;
use sealsum_protocol::pack::{UnpackError, unpack};
use sealsum_protocol::upload::{HEADER_LIMIT, UploadError, header, header_length};
use sealsum_protocol::{
    Admission, BlockLayout, BlockTree, ClientId, Commitment, ContributionHeader, CredentialError,
    Digest,
};

pub(crate) use kept::KeptUploads;
pub(crate) use pieces::{Pieces, drain_body};

use crate::round::Round;
use crate::storage::{Blob, BlobWriter, Storage, StorageError, blocking};
use crate::stored_upload::block_offset;

/// An upload whose body is that of its commitment; not committed yet.
pub(crate) struct CheckedUpload {
    pub(crate) header: ContributionHeader,
    pub(crate) writer: Box<dyn BlobWriter>,
    /// Its whole length.
    pub(crate) bytes: u64,
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

/// An upload of which the header and some whole blocks are there.
pub(crate) struct BegunUpload {
    header: ContributionHeader,
    body: Body,
    /// The block that comes next.
    next: u64,
    /// The header's bytes, its length's included.
    header_bytes: u64,
}

/// An upload that ended early. What came of it may be gone on with, unless it can't be the body of
/// its commitment any more.
pub(crate) struct EndedUpload {
    pub(crate) rejection: UploadRejection,
    pub(crate) begun: Option<BegunUpload>,
}

impl<E: Into<UploadRejection>> From<E> for EndedUpload {
    fn from(rejection: E) -> Self {
        Self {
            rejection: rejection.into(),
            begun: None,
        }
    }
}

impl BegunUpload {
    /// Reads the header of an upload of `client` to `round`.
    pub(crate) async fn begin<S, E>(
        storage: &dyn Storage,
        round: &Round,
        client: ClientId,
        pieces: &mut Pieces<S>,
    ) -> Result<Self, UploadRejection>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let mut gathered = Vec::new();
        pieces.take(LENGTH_BYTES as usize, &mut gathered).await?;
        let length = header_length(gathered.as_slice().try_into().unwrap_or_default())?;
        pieces.take(length, &mut gathered).await?;
        let header_bytes = gathered.get(LENGTH_BYTES as usize..).unwrap_or_default();
        let header = header(header_bytes)?;
        if header.round_id != round.id() {
            return Err(UploadRejection::OtherRound);
        }
        if header.client != client {
            return Err(UploadRejection::OtherClient(header.client));
        }
        // The enclave takes many headers at once, and counts on each being no longer than it may be.
        if !header.has_shape(round.terms()) {
            return Err(UploadRejection::Shape);
        }
        // Before anything of it is stored: who is not admitted takes no room.
        if let Admission::Registry { root, size, .. } = &round.terms().admission {
            header.verify_credential(root, *size)?;
        }
        let body = Body {
            front: gathered,
            gathered: Vec::new(),
            root: BlockTree::MASKED_UPDATE.frontier(),
            writer: storage.write_blob(round.id(), Blob::Upload(client)).await?,
            layout: round.layout(),
        };
        Ok(Self {
            header,
            header_bytes: body.front.len() as u64,
            body,
            next: 0,
        })
    }

    /// Which contribution it is of.
    pub(crate) fn contribution(&self) -> Digest {
        self.header.digest()
    }

    /// Whose it is, and of which round.
    pub(crate) const fn header(&self) -> &ContributionHeader {
        &self.header
    }

    /// How many bytes of the upload are there.
    pub(crate) fn offset(&self) -> u64 {
        let layout = self.body.layout;
        self.header_bytes + block_offset(layout, self.next).min(layout.total_bytes())
    }

    /// Reads the rest, and checks the whole against its commitment.
    pub(crate) async fn go_on<S, E>(
        mut self,
        pieces: &mut Pieces<S>,
    ) -> Result<CheckedUpload, EndedUpload>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let layout = self.body.layout;
        let rest = layout.total_bytes() - block_offset(layout, self.next);
        pieces.body_from_here(rest);
        let room = AT_A_TIME.min(usize::try_from(rest).unwrap_or(AT_A_TIME));
        self.body.gathered = Vec::with_capacity(room + layout.bytes(0).unwrap_or(0));
        while self.next < layout.blocks() {
            let (before, bytes) = (self.body.gathered.len(), layout.bytes(self.next));
            let taken = pieces.take(bytes.unwrap_or(0), &mut self.body.gathered);
            if let Err(rejection) = taken.await {
                self.body.gathered.truncate(before);
                return Err(self.end(rejection).await);
            }
            self.next += 1;
            if self.next == layout.blocks() {
                check_padding(&self.body.gathered, layout)?;
            } else if self.body.gathered.len() >= AT_A_TIME {
                self.body = self.body.store().await?;
            }
        }
        pieces.end().await?;
        let bytes = self.offset();
        let Body { root, writer, .. } = self.body.store().await?;
        if Commitment(root.root()) == self.header.commitment {
            Ok(CheckedUpload {
                header: self.header,
                writer,
                bytes,
            })
        } else {
            Err(UploadRejection::Commitment.into())
        }
    }

    /// Keeps whole blocks of an upload whose sender went away, in storage alone: it may be one of
    /// many.
    async fn end(self, rejection: UploadRejection) -> EndedUpload {
        let may_go_on = matches!(rejection, UploadRejection::Cut | UploadRejection::Stalled);
        if !may_go_on || self.next == 0 {
            return rejection.into();
        }
        match self.body.store().await {
            Ok(mut body) => {
                body.gathered = Vec::new();
                EndedUpload {
                    rejection,
                    begun: Some(Self { body, ..self }),
                }
            }
            Err(error) => error.into(),
        }
    }
}

/// A masked update on its way to storage.
struct Body {
    /// The header with its length, until it is written.
    front: Vec<u8>,
    /// Whole blocks that are not hashed and written yet.
    gathered: Vec<u8>,
    root: Frontier,
    writer: Box<dyn BlobWriter>,
    layout: BlockLayout,
}

impl Body {
    /// Hashes and writes what is there.
    async fn store(mut self) -> Result<Self, StorageError> {
        blocking(move || {
            let full = self.layout.bytes(0).unwrap_or(1);
            for block in self.gathered.chunks(full) {
                self.root.push(BlockTree::MASKED_UPDATE.leaf(block));
            }
            self.writer.write(&self.front)?;
            self.writer.write(&self.gathered)?;
            self.front.clear();
            self.gathered.clear();
            Ok(self)
        })
        .await
    }
}

/// Checks the padding of a masked update that ends there. Full blocks end on a byte, as
/// eight elements of any width do: only what is left of the last eight can have some.
fn check_padding(update: &[u8], layout: BlockLayout) -> Result<(), UnpackError> {
    let elements = (layout.dimension() % 8) as usize;
    let bytes = (elements * layout.bits().get() as usize).div_ceil(8);
    let end = update.len().saturating_sub(bytes);
    unpack(&update[end..], layout.bits(), elements).map(drop)
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
    /// The header has not the parts of this round.
    #[error(
        "the header's key, sealed part or credential have not the lengths of this round: was it made for its KEM and admission?"
    )]
    Shape,
    /// The round's registry does not admit it.
    #[error("{0}")]
    Credential(#[from] CredentialError),
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
    /// Of this contribution something else is there.
    #[error(
        "the rest of an upload was sent from byte {asked} on, and {there} bytes of that contribution are here; send it from there, or whole"
    )]
    Offset {
        /// Where the rest would have begun.
        asked: u64,
        /// What there is.
        there: u64,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

const LENGTH_BYTES: u64 = 4;
/// Gathered before it is hashed and written: a change of threads costs little beside that,
/// and as many uploads as there may be connections still fit into memory.
const AT_A_TIME: usize = 1 << 20;
