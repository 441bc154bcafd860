//! Taking the aggregate out of the enclave, block by block, into storage.
//!
//! How far it has come is kept in memory between tries: the enclave gives each block
//! three times at most.

use std::io;
use std::time::Duration;

use sealsum_protocol::messages::{Close, ReleaseBlock};
use sealsum_protocol::{BlockLayout, Command, CommitmentBuilder, Digest, Reply};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Round, RoundError};
use crate::enclave_link::LinkError;
use crate::presum;
use crate::rounds::Rounds;
use crate::storage::{Blob, BlobWriter, StorageError};

/// A release under way.
pub(super) struct Release {
    next: u64,
    writer: Box<dyn BlobWriter>,
}

impl Rounds {
    /// Stores the whole aggregate, unless it is there.
    pub(super) async fn release_blocks(
        &self,
        round: &Round,
        close: &Close,
        progress: &mut Option<Release>,
    ) -> Result<(), RoundError> {
        let stored = self.storage.blob(round.id, Blob::Aggregate).await?;
        if stored.is_some_and(|stored| stored.bytes == round.layout.total_bytes()) {
            return Ok(());
        }
        let mut release = match progress.take() {
            Some(release) => release,
            None => Release {
                next: 0,
                writer: self.storage.write_blob(round.id, Blob::Aggregate).await?,
            },
        };
        let mut sum = match close.sum_root {
            Some(root) => Some(self.masked_sum(round, root, release.next).await?),
            None => None,
        };
        while release.next < round.layout.blocks() {
            let block = match self.release_block(round, release.next, &mut sum).await {
                Ok(block) => block,
                Err(error) => {
                    *progress = Some(release);
                    return Err(error);
                }
            };
            release.writer.write(&block).await?;
            release.next += 1;
        }
        Ok(release.writer.commit().await?)
    }

    async fn release_block(
        &self,
        round: &Round,
        index: u64,
        sum: &mut Option<SumBlocks>,
    ) -> Result<Vec<u8>, RoundError> {
        let (path, body) = match sum {
            Some(sum) => sum
                .take(index)
                .await
                .map_err(|source| StorageError::Unreadable {
                    round_id: round.id,
                    blob: Blob::MaskedSum,
                    source,
                })?,
            None => (Vec::new(), Vec::new()),
        };
        let command = Command::ReleaseBlock(ReleaseBlock {
            round_id: round.id,
            index,
            path,
        });
        let mut answer = self.ask(round, command.clone(), body.clone()).await;
        if matches!(
            answer,
            Err(RoundError::Link(
                LinkError::Broken(_) | LinkError::Unreachable { .. }
            ))
        ) {
            tokio::time::sleep(PAUSE).await;
            answer = self.ask(round, command, body).await;
        }
        let answer = answer?;
        match answer.reply {
            Reply::Released(released)
                if released.index == index
                    && Some(answer.body.len()) == round.layout.bytes(index) =>
            {
                Ok(answer.body)
            }
            _ => Err(LinkError::OutOfPlace("release_block").into()),
        }
    }

    /// The sum under `root`, made again if the stored one is not it.
    async fn masked_sum(
        &self,
        round: &Round,
        root: Digest,
        from: u64,
    ) -> Result<SumBlocks, RoundError> {
        let builder = CommitmentBuilder::masked_sum;
        let mut leaves = self.read_through(round, Blob::MaskedSum, builder()).await?;
        if leaves.as_ref().map(CommitmentBuilder::root) != Some(root) {
            tracing::warn!(round_id = %round.id, "the stored sum is damaged and is made again");
            let members = round.members();
            presum::sum(&*self.storage, round.id, round.layout, members).await?;
            leaves = self.read_through(round, Blob::MaskedSum, builder()).await?;
        }
        let leaves = leaves
            .filter(|leaves| leaves.root() == root)
            .ok_or(RoundError::DamagedSum)?;
        let stored = self.storage.blob(round.id, Blob::MaskedSum).await?;
        let mut sum = SumBlocks {
            reader: stored.ok_or(RoundError::DamagedSum)?.reader,
            layout: round.layout,
            leaves,
        };
        for index in 0..from {
            sum.take(index).await.map_err(|_| RoundError::DamagedSum)?;
        }
        Ok(sum)
    }

    /// Root over the stored aggregate; `None` if it is not whole.
    pub(super) async fn aggregate_root(&self, round: &Round) -> Result<Option<Digest>, RoundError> {
        let builder = CommitmentBuilder::aggregate();
        let leaves = self.read_through(round, Blob::Aggregate, builder).await?;
        Ok(leaves.map(|leaves| leaves.root()))
    }

    async fn read_through(
        &self,
        round: &Round,
        blob: Blob,
        mut leaves: CommitmentBuilder,
    ) -> Result<Option<CommitmentBuilder>, RoundError> {
        let Some(mut stored) = self.storage.blob(round.id, blob).await? else {
            return Ok(None);
        };
        for index in round.layout.indices() {
            match read_block(&mut *stored.reader, round.layout, index).await {
                Ok(block) => leaves.push(&block),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(leaves))
    }
}

/// The stored sum's blocks in order, each with its path.
struct SumBlocks {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    layout: BlockLayout,
    leaves: CommitmentBuilder,
}

impl SumBlocks {
    async fn take(&mut self, index: u64) -> io::Result<(Vec<Digest>, Vec<u8>)> {
        let block = read_block(&mut *self.reader, self.layout, index).await?;
        Ok((self.leaves.path(index).unwrap_or_default(), block))
    }
}

async fn read_block(
    reader: &mut (dyn AsyncRead + Send + Unpin),
    layout: BlockLayout,
    index: u64,
) -> io::Result<Vec<u8>> {
    let mut block = vec![0; layout.bytes(index).unwrap_or(0)];
    reader.read_exact(&mut block).await?;
    Ok(block)
}

/// An enclave that restarts its listener is back within this; one that restarted
/// itself has lost the round.
const PAUSE: Duration = Duration::from_millis(300);
