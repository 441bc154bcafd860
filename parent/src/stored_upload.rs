//! An upload read back from storage. Nothing about it is taken for granted: the disk
//! may have lost or changed it since it was checked.

use std::io;

use sealsum_protocol::{
    BlockLayout, ClientId, Commitment, CommitmentBuilder, ContributionHeader, RoundId, upload,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::storage::{Blob, Storage, StorageError};

/// A stored upload, read from front to back.
pub(crate) struct StoredUpload {
    header: Option<ContributionHeader>,
    layout: BlockLayout,
    next: u64,
    reader: Box<dyn AsyncRead + Send + Unpin>,
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
        let Some(mut stored) = storage.blob(round, Blob::Upload(client)).await? else {
            return Ok(None);
        };
        let header = read_header(&mut stored.reader)
            .await
            .filter(|(header, prefix)| {
                header.round_id == round
                    && header.client == client
                    && stored.bytes == prefix + layout.total_bytes()
            })
            .map(|(header, _)| header);
        Ok(Some(Self {
            header,
            layout,
            next: 0,
            reader: stored.reader,
        }))
    }

    pub(crate) const fn header(&self) -> Option<&ContributionHeader> {
        self.header.as_ref()
    }

    /// The next block's packed bytes.
    pub(crate) async fn next_block(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self
            .layout
            .bytes(self.next)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut block = vec![0; bytes];
        self.reader.read_exact(&mut block).await?;
        self.next += 1;
        Ok(block)
    }

    /// The header, if every block is there and they are those of its commitment.
    pub(crate) async fn into_whole_header(mut self) -> Option<ContributionHeader> {
        let header = self.header.take()?;
        let mut commitment = CommitmentBuilder::masked_update();
        for _ in self.layout.indices() {
            commitment.push(&self.next_block().await.ok()?);
        }
        (Commitment(commitment.root()) == header.commitment).then_some(header)
    }
}

/// The header and the number of bytes up to its end.
async fn read_header(
    reader: &mut (dyn AsyncRead + Send + Unpin),
) -> Option<(ContributionHeader, u64)> {
    let mut first = [0; 4];
    reader.read_exact(&mut first).await.ok()?;
    let mut bytes = vec![0; upload::header_length(first).ok()?];
    reader.read_exact(&mut bytes).await.ok()?;
    let header = upload::header(&bytes).ok()?;
    Some((header, (first.len() + bytes.len()) as u64))
}
