//! The parent's sum of masked updates, for rounds whose intake is `presum`.
//!
//! Uploads are read again from the disk and checked against their commitments while
//! they are added; one that was lost or changed since it was acknowledged is named
//! instead, and the sum is made without it.
//!
//! A group of uploads is added at a time, onto a sum that lies in storage and is checked
//! too when it is read back: memory grows neither with the cohort nor with the dimension.

mod group;

use std::num::NonZero;
use std::thread::{self, available_parallelism};

use sealsum_protocol::{BlockLayout, BlockTree, ClientId, Digest, RoundId};

use crate::storage::{Blob, Storage, StorageError, blocking, by_windows};
use crate::stored_upload::read_header;
use group::{Adding, Earlier, Group, Member, NotAdded, Threads};

/// What was summed; the sum itself is [`Blob::MaskedSum`].
#[derive(Debug)]
pub struct MaskedSum {
    /// Root over its blocks.
    pub root: Digest,
    /// Clients whose upload was lost or damaged, sorted.
    pub excluded: Vec<ClientId>,
}

/// Sums the stored uploads of these clients, whose contributions have these digests, on
/// all processors.
///
/// # Errors
/// [`StorageError`] if the sum can't be written or read back; damaged uploads are none.
pub async fn sum(
    storage: &dyn Storage,
    round: RoundId,
    layout: BlockLayout,
    members: impl IntoIterator<Item = (ClientId, Digest)>,
) -> Result<MaskedSum, StorageError> {
    let threads = Threads {
        count: available_parallelism().unwrap_or(NonZero::<usize>::MIN),
        new: thread::Builder::new,
    };
    sum_on(threads, storage, round, layout, members).await
}

/// Sums on these threads.
async fn sum_on(
    threads: Threads,
    storage: &dyn Storage,
    round: RoundId,
    layout: BlockLayout,
    members: impl IntoIterator<Item = (ClientId, Digest)>,
) -> Result<MaskedSum, StorageError> {
    let mut summing = Summing {
        threads,
        storage,
        round,
        layout,
        excluded: Vec::new(),
        root: None,
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
    let nothing = || BlockTree::MASKED_SUM.frontier().root();
    Ok(MaskedSum {
        root: summing.root.unwrap_or_else(nothing),
        excluded: summing.excluded,
    })
}

struct Summing<'a> {
    threads: Threads,
    storage: &'a dyn Storage,
    round: RoundId,
    layout: BlockLayout,
    excluded: Vec<ClientId>,
    /// Of the earlier groups' sum; until there is one, what storage holds is an older sum.
    root: Option<Digest>,
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
        let (members, damaged) = self.open(group).await?;
        if !damaged.is_empty() {
            return Ok(damaged);
        }
        let group = Group {
            layout: self.layout,
            members,
            earlier: self.earlier().await?,
        };
        let writer = self.storage.write_blob(self.round, Blob::MaskedSum).await?;
        let adding = Adding::new(group, self.threads, writer);
        let added = by_windows(self.layout, adding, Adding::add_window).await;
        match added.and_then(Adding::finish) {
            Ok((writer, root)) => {
                writer.commit().await?;
                self.root = Some(root);
                Ok(Vec::new())
            }
            Err(NotAdded::Damaged(clients)) => Ok(clients),
            Err(NotAdded::Unwritten(error)) => Err(error),
            Err(NotAdded::Earlier(source)) => Err(self.unreadable(source)),
        }
    }

    async fn open(
        &self,
        group: &[(ClientId, Digest)],
    ) -> Result<(Vec<Member>, Vec<ClientId>), StorageError> {
        let mut opened = Vec::with_capacity(group.len());
        for (client, contribution) in group {
            let stored = self.storage.blob(self.round, Blob::Upload(*client)).await?;
            opened.push((*client, *contribution, stored));
        }
        let (round, layout) = (self.round, self.layout);
        Ok(blocking(move || {
            let (mut members, mut damaged) = (Vec::new(), Vec::new());
            for (client, contribution, stored) in opened {
                let found = stored.and_then(|stored| read_header(&stored, round, layout, client));
                match found.filter(|(header, _)| header.digest() == contribution) {
                    Some((header, body)) => members.push(Member {
                        client,
                        commitment: header.commitment,
                        body,
                    }),
                    None => damaged.push(client),
                }
            }
            (members, damaged)
        })
        .await)
    }

    async fn earlier(&self) -> Result<Option<Earlier>, StorageError> {
        let Some(root) = self.root else {
            return Ok(None);
        };
        match self.storage.blob(self.round, Blob::MaskedSum).await? {
            Some(stored) => Ok(Some(Earlier { stored, root })),
            None => Err(self.unreadable(std::io::ErrorKind::NotFound.into())),
        }
    }

    fn unreadable(&self, source: std::io::Error) -> StorageError {
        StorageError::Unreadable {
            round_id: self.round,
            blob: Blob::MaskedSum,
            source,
        }
    }
}

/// Uploads open at a time: few enough for any limit on open files, enough that reading
/// and writing the sum costs little beside reading them.
const GROUP: usize = 64;

#[cfg(test)]
mod tests;
