//! One group's uploads added onto the sum so far, a window of blocks at a time, each block
//! by one of several threads: what a thread has at hand stays in its processor's cache.

use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread;

use sealsum_protocol::merkle::Frontier;
use sealsum_protocol::pack::{add_packed, pack};
use sealsum_protocol::{BlockLayout, BlockTree, ClientId, Commitment, Digest, RingVector};

use crate::storage::{BlobWriter, StorageError, StoredBlob};
use crate::stored_upload::{StoredBody, block_offset};

/// How many threads add, and how those beside the first are made.
#[derive(Clone, Copy)]
pub(super) struct Threads {
    pub(super) count: NonZero<usize>,
    pub(super) new: fn() -> thread::Builder,
}

/// Uploads whose headers are in order, and what they are added onto.
pub(super) struct Group {
    pub(super) layout: BlockLayout,
    pub(super) members: Vec<Member>,
    /// `None` is zeros.
    pub(super) earlier: Option<Earlier>,
}

/// One upload.
pub(super) struct Member {
    pub(super) client: ClientId,
    pub(super) commitment: Commitment,
    pub(super) body: StoredBody,
}

/// The sum of earlier groups, as it should be.
pub(super) struct Earlier {
    pub(super) stored: StoredBlob,
    pub(super) root: Digest,
}

/// Why there is no new sum.
#[derive(Debug)]
pub(super) enum NotAdded {
    /// These members are not what their commitments say.
    Damaged(Vec<ClientId>),
    /// The earlier sum can't be read, or is another.
    Earlier(io::Error),
    /// The new one can't be written.
    Unwritten(StorageError),
}

/// A group being added: what is written of the new sum.
pub(super) struct Adding {
    group: Group,
    threads: Threads,
    writer: Box<dyn BlobWriter>,
    roots: Roots,
}

impl Adding {
    pub(super) fn new(group: Group, threads: Threads, writer: Box<dyn BlobWriter>) -> Self {
        Self {
            roots: Roots::new(group.members.len()),
            group,
            threads,
            writer,
        }
    }

    /// Writes the next blocks of the new sum. Blocks.
    pub(super) fn add_window(mut self, window: Range<u64>) -> Result<Self, NotAdded> {
        let blocks = self.group.sum_window(window, self.threads);
        for block in blocks.map_err(NotAdded::Earlier)? {
            let there = block.members.iter().map(Option::is_some);
            let damaged = self.group.damaged(there);
            if !damaged.is_empty() {
                return Err(NotAdded::Damaged(damaged));
            }
            let written = self.writer.write(&block.packed);
            written.map_err(NotAdded::Unwritten)?;
            self.roots.push(&block);
        }
        Ok(self)
    }

    /// The whole new sum, not committed yet, with its root.
    pub(super) fn finish(self) -> Result<(Box<dyn BlobWriter>, Digest), NotAdded> {
        let found = self.roots.members.iter().map(Frontier::root);
        let whole = found
            .zip(&self.group.members)
            .map(|(root, member)| Commitment(root) == member.commitment);
        let damaged = self.group.damaged(whole);
        match &self.group.earlier {
            _ if !damaged.is_empty() => Err(NotAdded::Damaged(damaged)),
            Some(earlier) if earlier.root != self.roots.earlier.root() => {
                Err(NotAdded::Earlier(io::ErrorKind::InvalidData.into()))
            }
            _ => Ok((self.writer, self.roots.sum.root())),
        }
    }
}

impl Group {
    /// The members of which this is not so.
    fn damaged(&self, good: impl Iterator<Item = bool>) -> Vec<ClientId> {
        let members = self.members.iter().zip(good);
        members
            .filter(|(_, good)| !good)
            .map(|(member, _)| member.client)
            .collect()
    }

    /// These blocks, in order; each is made by whichever thread is free.
    fn sum_window(&self, window: Range<u64>, threads: Threads) -> io::Result<Vec<SummedBlock>> {
        let mut blocks: Vec<_> = window.clone().map(|_| None).collect();
        let count = threads.count.get().min(blocks.len());
        let places = Mutex::new(window.zip(&mut blocks));
        let work = || {
            let mut room = Vec::new();
            loop {
                let next = places.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((index, place)) = next else { break };
                *place = Some(self.sum_block(index, &mut room));
            }
        };
        thread::scope(|scope| {
            for _ in 1..count {
                // Without one, the others do its part.
                let _ = (threads.new)().spawn_scoped(scope, work);
            }
            work();
        });
        blocks.into_iter().flatten().collect()
    }

    /// Block `index` of the earlier sum and of each member, added up; `room` is for reading.
    fn sum_block(&self, index: u64, room: &mut Vec<u8>) -> io::Result<SummedBlock> {
        let elements = self.layout.elements(index).unwrap_or(0);
        let mut sum = RingVector::zeros(self.layout.bits(), elements);
        let mut earlier_leaf = None;
        if let Some(earlier) = &self.earlier {
            room.resize(self.layout.bytes(index).unwrap_or(0), 0);
            let offset = block_offset(self.layout, index);
            earlier.stored.reader.read_exact_at(room, offset)?;
            earlier_leaf = Some(BlockTree::MASKED_SUM.leaf(room));
            add_packed(&mut sum, room).map_err(|_| io::ErrorKind::InvalidData)?;
        }
        let members = self.members.iter().map(|member| {
            member.body.read_block(self.layout, index, room).ok()?;
            let leaf = BlockTree::MASKED_UPDATE.leaf(room);
            add_packed(&mut sum, room).ok().map(|()| leaf)
        });
        let members = members.collect();
        let packed = pack(&sum);
        Ok(SummedBlock {
            leaf: BlockTree::MASKED_SUM.leaf(&packed),
            packed,
            earlier: earlier_leaf,
            members,
        })
    }
}

/// One block of the new sum, and the leaves of all that went into it.
struct SummedBlock {
    packed: Vec<u8>,
    leaf: Digest,
    earlier: Option<Digest>,
    /// `None` if a member's block is not there or not one.
    members: Vec<Option<Digest>>,
}

/// The roots of the new sum, of the earlier one, and of each member, as blocks come in order.
struct Roots {
    sum: Frontier,
    earlier: Frontier,
    members: Vec<Frontier>,
}

impl Roots {
    fn new(members: usize) -> Self {
        let frontiers = (0..members).map(|_| BlockTree::MASKED_UPDATE.frontier());
        Self {
            sum: BlockTree::MASKED_SUM.frontier(),
            earlier: BlockTree::MASKED_SUM.frontier(),
            members: frontiers.collect(),
        }
    }

    fn push(&mut self, block: &SummedBlock) {
        self.sum.push(block.leaf);
        push(&mut self.earlier, block.earlier);
        for (frontier, leaf) in self.members.iter_mut().zip(&block.members) {
            push(frontier, *leaf);
        }
    }
}

fn push(frontier: &mut Frontier, leaf: Option<Digest>) {
    if let Some(leaf) = leaf {
        frontier.push(leaf);
    }
}
