//! Taking the aggregate out of the enclave, block by block, into storage.
//!
//! The enclave gives each block three times at most. So what has come is kept: in memory between
//! tries, and of large aggregates in parts, each durable before the next is asked for.

use std::io;
use std::ops::Range;
use std::time::Duration;

use sealsum_protocol::merkle::Levels;
use sealsum_protocol::messages::{Close, Phase, ReleaseBlock};
use sealsum_protocol::{BlockLayout, BlockTree, Command, Digest, Refusal, Reply};

use super::{Round, RoundError};
use crate::enclave_link::{Answer, LinkError};
use crate::presum;
use crate::rounds::Rounds;
use crate::storage::{Blob, BlobWriter, StorageError, StoredBlob, blocking, by_windows};
use crate::stored_upload::block_offset;

/// A release under way: what has come, and is not in a part yet.
pub(super) struct Release {
    /// The block that is asked for next.
    next: u64,
    /// Blocks from `first` to `next`.
    first: u64,
    blocks: Vec<u8>,
    /// How many bytes make a part. What is shorter on the whole has none.
    part: usize,
}

impl Rounds {
    /// Stores the whole aggregate, unless it is there. `is_begun` if some of it may have been
    /// asked for before.
    pub(super) async fn release_blocks(
        &self,
        round: &Round,
        close: &Close,
        is_begun: bool,
        progress: &mut Option<Release>,
    ) -> Result<(), RoundError> {
        if self.has_aggregate(round).await? {
            return Ok(());
        }
        // First, since it can fail in passing, and what has come is not to be asked for again.
        let mut sum = match close.sum_root {
            Some(root) => Some(self.masked_sum(round, root).await?),
            None => None,
        };
        if progress.is_none() {
            *progress = Some(self.take_up_release(round, is_begun).await?);
        }
        // Whatever fails from here on, what has come stays.
        let Some(release) = progress else {
            return Err(RoundError::Interrupted);
        };
        while release.next < round.layout.blocks() {
            let block = self.release_block(round, release.next, &mut sum).await?;
            release.blocks.extend_from_slice(&block);
            release.next += 1;
            if release.blocks.len() >= release.part && release.next < round.layout.blocks() {
                self.store_part(round, release).await?;
            }
        }
        self.store_aggregate(round, release).await?;
        *progress = None;
        Ok(self.forget_parts(round).await?)
    }

    /// Where the release stands by what is stored. One that was cut goes on with a part for each
    /// block: the enclave gives each three times at most, and this parent may be cut again.
    async fn take_up_release(
        &self,
        round: &Round,
        is_begun: bool,
    ) -> Result<Release, StorageError> {
        let parts = self.parts(round).await?;
        let next = parts.last().map_or(0, |(_, end)| *end);
        Ok(Release {
            next,
            first: next,
            blocks: Vec::new(),
            part: if is_begun { 1 } else { PART },
        })
    }

    async fn store_part(&self, round: &Round, release: &mut Release) -> Result<(), StorageError> {
        let part = Blob::AggregatePart(release.first);
        let writer = self.storage.write_blob(round.id, part).await?;
        let writer = append(writer, &mut release.blocks).await?;
        writer.commit().await?;
        // Until now it might have failed, and nobody gives them again.
        release.blocks.clear();
        release.first = release.next;
        Ok(())
    }

    /// Parts and what is in memory, put together.
    async fn store_aggregate(
        &self,
        round: &Round,
        release: &mut Release,
    ) -> Result<(), RoundError> {
        let mut writer = self.storage.write_blob(round.id, Blob::Aggregate).await?;
        for (first, _) in self.parts(round).await? {
            // That one failed after it was there; its blocks are in memory still.
            if first >= release.first {
                break;
            }
            let part = Blob::AggregatePart(first);
            let unreadable = |source| StorageError::Unreadable {
                round_id: round.id,
                blob: part,
                source,
            };
            let stored = self.storage.blob(round.id, part).await?;
            let stored = stored.ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
            for offset in (0..stored.bytes).step_by(AT_A_TIME) {
                let bytes = (stored.bytes - offset).min(AT_A_TIME as u64) as usize;
                let mut piece = stored.read(offset, bytes).await.map_err(unreadable)?;
                writer = append(writer, &mut piece).await?;
            }
        }
        let writer = append(writer, &mut release.blocks).await?;
        Ok(writer.commit().await?)
    }

    /// The stored parts that follow each other from the first block on: where each begins and ends.
    async fn parts(&self, round: &Round) -> Result<Vec<(u64, u64)>, StorageError> {
        let (mut parts, mut next) = (Vec::new(), 0);
        let full = round.layout.bytes(0).unwrap_or(1) as u64;
        loop {
            let part = Blob::AggregatePart(next);
            let Some(stored) = self.storage.blob(round.id, part).await? else {
                return Ok(parts);
            };
            // Only the aggregate's last block is shorter, and it is in no part.
            let blocks = stored.bytes / full;
            if blocks == 0 || stored.bytes % full != 0 {
                return Ok(parts);
            }
            parts.push((next, next + blocks));
            next += blocks;
        }
    }

    /// Removes the parts, the last one first: those that are left still follow each other.
    pub(crate) async fn forget_parts(&self, round: &Round) -> Result<(), StorageError> {
        for (first, _) in self.parts(round).await?.into_iter().rev() {
            let part = Blob::AggregatePart(first);
            self.storage.remove_blob(round.id, part).await?;
        }
        Ok(())
    }

    /// Whether the aggregate was stored whole.
    pub(super) async fn has_aggregate(&self, round: &Round) -> Result<bool, StorageError> {
        let stored = self.storage.blob(round.id, Blob::Aggregate).await?;
        Ok(stored.is_some_and(|stored| stored.bytes == round.layout.total_bytes()))
    }

    async fn release_block(
        &self,
        round: &Round,
        index: u64,
        sum: &mut Option<SumBlocks>,
    ) -> Result<Vec<u8>, RoundError> {
        let mut answer = self.ask_for_block(round, index, sum).await;
        if matches!(
            answer,
            Err(RoundError::Link(
                LinkError::Broken(_) | LinkError::Unreachable { .. }
            ))
        ) {
            tokio::time::sleep(PAUSE).await;
            answer = self.ask_for_block(round, index, sum).await;
        }
        let answer = answer.map_err(|error| match error.refusal() {
            Some(Refusal::WrongPhase {
                phase: Phase::Released,
            }) => self.rolled_back(round),
            _ => error,
        })?;
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

    async fn ask_for_block(
        &self,
        round: &Round,
        index: u64,
        sum: &mut Option<SumBlocks>,
    ) -> Result<Answer, RoundError> {
        let (path, body) = match sum {
            Some(sum) => sum
                .block(index)
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
        self.ask(round, command, body).await
    }

    /// The sum under `root`, made again if the stored one is not it.
    async fn masked_sum(&self, round: &Round, root: Digest) -> Result<SumBlocks, RoundError> {
        let mut tree = self.tree_of(round, Blob::MaskedSum).await?;
        if tree.as_ref().map(Levels::root) != Some(root) {
            tracing::warn!(round_id = %round.id, "the stored sum is damaged and is made again");
            let members = round.members();
            presum::sum(&*self.storage, round.id, round.layout, members).await?;
            tree = self.tree_of(round, Blob::MaskedSum).await?;
        }
        let tree = tree
            .filter(|tree| tree.root() == root)
            .ok_or(RoundError::DamagedSum)?;
        let stored = self.storage.blob(round.id, Blob::MaskedSum).await?;
        Ok(SumBlocks {
            stored: stored.ok_or(RoundError::DamagedSum)?,
            layout: round.layout,
            tree,
            first: 0,
            ahead: Vec::new(),
        })
    }

    /// Root over the stored aggregate; `None` if it is not whole.
    pub(super) async fn aggregate_root(&self, round: &Round) -> Result<Option<Digest>, RoundError> {
        let tree = self.tree_of(round, Blob::Aggregate).await?;
        Ok(tree.map(|tree| tree.root()))
    }

    /// The tree over a stored vector's blocks; `None` if it is not whole.
    async fn tree_of(&self, round: &Round, blob: Blob) -> Result<Option<Levels>, RoundError> {
        let kind = match blob {
            Blob::Upload(_) => BlockTree::MASKED_UPDATE,
            Blob::MaskedSum => BlockTree::MASKED_SUM,
            Blob::Aggregate | Blob::AggregatePart(_) => BlockTree::AGGREGATE,
        };
        let Some(stored) = self.storage.blob(round.id, blob).await? else {
            return Ok(None);
        };
        let reading = Reading {
            stored,
            layout: round.layout,
            kind,
            block: Vec::new(),
            leaves: Vec::new(),
        };
        let read = by_windows(round.layout, reading, Reading::read).await.ok();
        Ok(read.map(|read| kind.levels(read.leaves)))
    }
}

/// Writes bytes and leaves them where they are.
async fn append(
    mut writer: Box<dyn BlobWriter>,
    bytes: &mut Vec<u8>,
) -> Result<Box<dyn BlobWriter>, StorageError> {
    let taken = std::mem::take(bytes);
    let (written, taken) = blocking(move || match writer.write(&taken) {
        Ok(()) => (Ok(writer), taken),
        Err(error) => (Err(error), taken),
    })
    .await;
    *bytes = taken;
    written
}

/// A stored vector read from front to back for its leaves.
struct Reading {
    stored: StoredBlob,
    layout: BlockLayout,
    kind: BlockTree,
    block: Vec<u8>,
    leaves: Vec<Digest>,
}

impl Reading {
    fn read(mut self, window: Range<u64>) -> io::Result<Self> {
        for index in window {
            self.block.resize(self.layout.bytes(index).unwrap_or(0), 0);
            let offset = block_offset(self.layout, index);
            self.stored.reader.read_exact_at(&mut self.block, offset)?;
            self.leaves.push(self.kind.leaf(&self.block));
        }
        Ok(self)
    }
}

/// The stored sum's blocks, each with its path.
struct SumBlocks {
    stored: StoredBlob,
    layout: BlockLayout,
    tree: Levels,
    /// Read, from block `first` on.
    ahead: Vec<u8>,
    first: u64,
}

impl SumBlocks {
    async fn block(&mut self, index: u64) -> io::Result<(Vec<Digest>, Vec<u8>)> {
        let bytes = self.layout.bytes(index).unwrap_or(0);
        let path = self.tree.path(index).unwrap_or_default();
        if let Some(block) = self.read_already(index, bytes) {
            return Ok((path, block.to_vec()));
        }
        let offset = block_offset(self.layout, index);
        let rest = usize::try_from(self.layout.total_bytes() - offset).unwrap_or(usize::MAX);
        self.ahead = self.stored.read(offset, rest.min(AT_A_TIME)).await?;
        self.first = index;
        let block = self.read_already(index, bytes);
        let block = block.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok((path, block.to_vec()))
    }

    fn read_already(&self, index: u64, bytes: usize) -> Option<&[u8]> {
        let before = block_offset(self.layout, index.checked_sub(self.first)?);
        let start = usize::try_from(before).ok()?;
        self.ahead.get(start..start.checked_add(bytes)?)
    }
}

/// What is read, and what is written, at a time: several blocks of any width, so that
/// going to the disk costs little beside asking the enclave.
const AT_A_TIME: usize = 1 << 20;
/// A part, in bytes: a few moments of a release, so that a cut in it costs little; large enough
/// that making it durable costs little beside it.
const PART: usize = 8 << 20;
/// An enclave that restarts its listener is back within this; one that restarted
/// itself has lost the round.
const PAUSE: Duration = Duration::from_millis(300);
