//! The parent's sum of masked updates, for rounds whose intake is `presum`.
//!
//! Uploads are read again from the disk and checked against their commitments while
//! they are added; one that was lost or changed since it was acknowledged is named
//! instead, and the sum is made without it.
//!
//! A few uploads are added at a time, block by block, onto a sum that lies in storage:
//! memory does not grow with the cohort, and with the dimension only by the 32 bytes
//! that a block's digest has for each upload at hand.

use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{
    BlockLayout, ClientId, Commitment, CommitmentBuilder, Digest, RingVector, RoundId,
};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::storage::{Blob, Storage, StorageError};
use crate::stored_upload::StoredUpload;

/// What was summed; the sum itself is [`Blob::MaskedSum`].
pub(crate) struct MaskedSum {
    /// Root over its blocks.
    pub(crate) root: Digest,
    /// Clients whose upload was lost or damaged, sorted.
    pub(crate) excluded: Vec<ClientId>,
}

/// Sums the uploads of these clients, whose contributions have these digests.
pub(crate) async fn sum(
    storage: &dyn Storage,
    round: RoundId,
    layout: BlockLayout,
    members: impl IntoIterator<Item = (ClientId, Digest)>,
) -> Result<MaskedSum, StorageError> {
    let mut summing = Summing {
        storage,
        round,
        layout,
        begun: false,
        excluded: Vec::new(),
        root: CommitmentBuilder::masked_sum().root(),
    };
    let mut members = members.into_iter().peekable();
    loop {
        let group: Vec<_> = members.by_ref().take(GROUP).collect();
        summing.add_group(group).await?;
        if members.peek().is_none() {
            break;
        }
    }
    summing.excluded.sort_unstable();
    Ok(MaskedSum {
        root: summing.root,
        excluded: summing.excluded,
    })
}

struct Summing<'a> {
    storage: &'a dyn Storage,
    round: RoundId,
    layout: BlockLayout,
    /// Whether storage holds this sum's earlier groups, not an older sum.
    begun: bool,
    excluded: Vec<ClientId>,
    root: Digest,
}

struct Member {
    client: ClientId,
    contribution: Digest,
    upload: StoredUpload,
    commitment: CommitmentBuilder,
}

impl Summing<'_> {
    /// Adds a group; if some of it turn out damaged, all of it again without them.
    async fn add_group(&mut self, mut group: Vec<(ClientId, Digest)>) -> Result<(), StorageError> {
        loop {
            let damaged = self.try_group(&group).await?;
            if damaged.is_empty() {
                return Ok(());
            }
            tracing::warn!(
                round_id = %self.round,
                damaged = damaged.len(),
                "stored uploads are lost or damaged and stay out of the sum"
            );
            group.retain(|(client, _)| !damaged.contains(client));
            self.excluded.extend(damaged);
        }
    }

    /// The damaged ones. Only if there are none has the sum changed.
    async fn try_group(
        &mut self,
        group: &[(ClientId, Digest)],
    ) -> Result<Vec<ClientId>, StorageError> {
        let (mut members, mut damaged) = self.open(group).await?;
        if !damaged.is_empty() {
            return Ok(damaged);
        }
        let mut earlier = self.earlier().await?;
        let mut commitment = CommitmentBuilder::masked_sum();
        let mut writer = self.storage.write_blob(self.round, Blob::MaskedSum).await?;
        for index in self.layout.indices() {
            let mut block = self.read_earlier(&mut earlier, index).await?;
            for member in &mut members {
                if !member.add_next_block(self.layout, index, &mut block).await {
                    damaged.push(member.client);
                }
            }
            if !damaged.is_empty() {
                return Ok(damaged);
            }
            let packed = pack(&block);
            commitment.push(&packed);
            writer.write(&packed).await?;
        }
        damaged.extend(
            members
                .iter()
                .filter(|member| !member.is_whole())
                .map(|member| member.client),
        );
        if damaged.is_empty() {
            writer.commit().await?;
            self.begun = true;
            self.root = commitment.root();
        }
        Ok(damaged)
    }

    async fn open(
        &self,
        group: &[(ClientId, Digest)],
    ) -> Result<(Vec<Member>, Vec<ClientId>), StorageError> {
        let (mut members, mut damaged) = (Vec::new(), Vec::new());
        for (client, contribution) in group {
            match StoredUpload::open(self.storage, self.round, self.layout, *client).await? {
                Some(upload)
                    if upload
                        .header()
                        .is_some_and(|header| header.digest() == *contribution) =>
                {
                    members.push(Member {
                        client: *client,
                        contribution: *contribution,
                        upload,
                        commitment: CommitmentBuilder::masked_update(),
                    });
                }
                _ => damaged.push(*client),
            }
        }
        Ok((members, damaged))
    }

    async fn earlier(&self) -> Result<Option<Box<dyn AsyncRead + Send + Unpin>>, StorageError> {
        if !self.begun {
            return Ok(None);
        }
        match self.storage.blob(self.round, Blob::MaskedSum).await? {
            Some(stored) => Ok(Some(stored.reader)),
            None => Err(self.unreadable(std::io::ErrorKind::NotFound.into())),
        }
    }

    async fn read_earlier(
        &self,
        earlier: &mut Option<Box<dyn AsyncRead + Send + Unpin>>,
        index: u64,
    ) -> Result<RingVector, StorageError> {
        let elements = self.layout.elements(index).unwrap_or(0);
        let Some(reader) = earlier else {
            return Ok(RingVector::zeros(self.layout.bits(), elements));
        };
        let mut packed = vec![0; self.layout.bytes(index).unwrap_or(0)];
        reader
            .read_exact(&mut packed)
            .await
            .map_err(|source| self.unreadable(source))?;
        unpack(&packed, self.layout.bits(), elements)
            .map_err(|_| self.unreadable(std::io::ErrorKind::InvalidData.into()))
    }

    fn unreadable(&self, source: std::io::Error) -> StorageError {
        StorageError::Unreadable {
            round_id: self.round,
            blob: Blob::MaskedSum,
            source,
        }
    }
}

impl Member {
    /// False if the block is not there or not one.
    async fn add_next_block(
        &mut self,
        layout: BlockLayout,
        index: u64,
        sum: &mut RingVector,
    ) -> bool {
        let Ok(packed) = self.upload.next_block().await else {
            return false;
        };
        self.commitment.push(&packed);
        let elements = layout.elements(index).unwrap_or(0);
        unpack(&packed, layout.bits(), elements).is_ok_and(|block| sum.wrapping_add(&block).is_ok())
    }

    fn is_whole(&self) -> bool {
        self.upload.header().is_some_and(|header| {
            header.digest() == self.contribution
                && header.commitment == Commitment(self.commitment.root())
        })
    }
}

/// Uploads read at a time: few enough for any limit on open files, enough that
/// reading and writing the sum costs little beside reading them.
const GROUP: usize = 16;

#[cfg(test)]
mod tests;
