//! An upload read back from storage. Nothing about it is taken for granted: the disk
//! may have lost or changed it since it was checked.

use std::io;
use std::ops::Range;

use sealsum_protocol::merkle::Frontier;
use sealsum_protocol::{
    BlockLayout, BlockTree, ClientId, Commitment, ContributionHeader, RoundId, upload,
};

use crate::storage::{Blob, Storage, StorageError, StoredBlob, blocking, by_windows};

/// A stored upload, read from front to back.
pub(crate) struct StoredUpload {
    header: Option<ContributionHeader>,
    layout: BlockLayout,
    next: u64,
    body: StoredBody,
}

impl StoredUpload {
    /// `None` if there is none. One that does not begin with a header of this client,
    /// or has another length than it should, is there but has no header.
    pub(crate) async fn open(
        storage: &dyn Storage,
        round: RoundId,
        layout: BlockLayout,
        client: ClientId,
    ) -> Result<Option<Self>, StorageError> {
        let Some(stored) = storage.blob(round, Blob::Upload(client)).await? else {
            return Ok(None);
        };
        let blob = stored.clone();
        let (header, body) = match blocking(move || read_header(&blob, round, layout, client)).await
        {
            Some((header, body)) => (Some(header), body),
            None => (None, StoredBody { stored, start: 0 }),
        };
        Ok(Some(Self {
            header,
            layout,
            next: 0,
            body,
        }))
    }

    /// The next block's packed bytes.
    pub(crate) async fn next_block(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self
            .layout
            .bytes(self.next)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let offset = self.body.offset(self.layout, self.next);
        let block = self.body.stored.read(offset, bytes).await?;
        self.next += 1;
        Ok(block)
    }

    /// The header, if every block is there and they are those of its commitment.
    pub(crate) async fn into_whole_header(self) -> Option<ContributionHeader> {
        let (header, layout) = (self.header?, self.layout);
        let reading = Reading {
            body: self.body,
            layout,
            block: Vec::new(),
            root: BlockTree::MASKED_UPDATE.frontier(),
        };
        let read = by_windows(layout, reading, Reading::read).await.ok()?;
        (Commitment(read.root.root()) == header.commitment).then_some(header)
    }
}

/// A body read from front to back for its root.
struct Reading {
    body: StoredBody,
    layout: BlockLayout,
    block: Vec<u8>,
    root: Frontier,
}

impl Reading {
    fn read(mut self, window: Range<u64>) -> io::Result<Self> {
        for index in window {
            self.body.read_block(self.layout, index, &mut self.block)?;
            self.root.push(BlockTree::MASKED_UPDATE.leaf(&self.block));
        }
        Ok(self)
    }
}

/// The masked update in a stored upload.
pub(crate) struct StoredBody {
    stored: StoredBlob,
    /// Where it begins.
    start: u64,
}

impl StoredBody {
    /// Reads block `index` in place of what `block` holds.
    pub(crate) fn read_block(
        &self,
        layout: BlockLayout,
        index: u64,
        block: &mut Vec<u8>,
    ) -> io::Result<()> {
        let bytes = layout.bytes(index).ok_or(io::ErrorKind::UnexpectedEof)?;
        block.resize(bytes, 0);
        let offset = self.offset(layout, index);
        self.stored.reader.read_exact_at(block, offset)
    }

    fn offset(&self, layout: BlockLayout, index: u64) -> u64 {
        self.start + block_offset(layout, index)
    }
}

/// Where block `index` of packed blocks begins.
pub(crate) fn block_offset(layout: BlockLayout, index: u64) -> u64 {
    // Only the last block is shorter than the first.
    index * layout.bytes(0).unwrap_or(0) as u64
}

/// The header and what lies behind it, if both are an upload of this client to this round.
/// Blocks.
pub(crate) fn read_header(
    stored: &StoredBlob,
    round: RoundId,
    layout: BlockLayout,
    client: ClientId,
) -> Option<(ContributionHeader, StoredBody)> {
    let mut first = [0; 4];
    stored.reader.read_exact_at(&mut first, 0).ok()?;
    let mut bytes = vec![0; upload::header_length(first).ok()?];
    let length_bytes = first.len() as u64;
    stored.reader.read_exact_at(&mut bytes, length_bytes).ok()?;
    let header = upload::header(&bytes).ok()?;
    let body = StoredBody {
        stored: stored.clone(),
        start: length_bytes + bytes.len() as u64,
    };
    (header.round_id == round
        && header.client == client
        && stored.bytes == body.start + layout.total_bytes())
    .then_some((header, body))
}
