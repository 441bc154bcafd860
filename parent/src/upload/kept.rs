//! Uploads whose sender went away, kept for a while: a sender that comes back goes on where it
//! was. Kept in this process alone; after a restart a sender begins anew.
//!
//! Room for them is a favour: there is so much in all, whoever has most of it loses first, and none is
//! left when the disk is full.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealsum_protocol::{ClientId, Digest, RoundId};
use tokio::time::Instant;

use super::BegunUpload;
use crate::access::neighbourhood;

/// What is kept, by contribution.
#[derive(Default)]
pub(crate) struct KeptUploads(Mutex<HashMap<Key, Kept>>);

type Key = (RoundId, ClientId, Digest);

struct Kept {
    upload: BegunUpload,
    since: Instant,
    /// Who sent it.
    from: Option<IpAddr>,
}

impl KeptUploads {
    /// Keeps it, unless more of the same is there; beyond so many, or so many bytes, others go.
    pub(crate) fn keep(&self, upload: BegunUpload, from: Option<IpAddr>) {
        let header = upload.header();
        let key = (header.round_id, header.client, upload.contribution());
        let mut kept = self.kept();
        let before = kept.get(&key).map_or(0, |kept| kept.upload.offset());
        if before >= upload.offset() {
            return;
        }
        let kept_now = Kept {
            upload,
            since: Instant::now(),
            from: from.map(neighbourhood),
        };
        kept.insert(key, kept_now);
        while kept.len() > MOST || bytes(&kept) > MOST_BYTES {
            let Some(key) = next_to_go(&kept) else { return };
            kept.remove(&key);
        }
    }

    /// How many bytes are there of this contribution.
    pub(crate) fn offset(&self, round: RoundId, client: ClientId, contribution: Digest) -> u64 {
        let kept = self.kept();
        let found = kept.get(&(round, client, contribution));
        found.map_or(0, |kept| kept.upload.offset())
    }

    /// Takes it out, if so many bytes of it are there.
    pub(crate) fn take(
        &self,
        round: RoundId,
        client: ClientId,
        contribution: Digest,
        offset: u64,
    ) -> Option<BegunUpload> {
        let mut kept = self.kept();
        let key = (round, client, contribution);
        if kept.get(&key)?.upload.offset() != offset {
            return None;
        }
        kept.remove(&key).map(|kept| kept.upload)
    }

    /// Forgets what belongs to a round that takes nothing any more.
    pub(crate) fn forget(&self, round: RoundId) {
        self.kept().retain(|key, _| key.0 != round);
    }

    /// Makes all the room that it takes.
    pub(crate) fn forget_all(&self) {
        self.kept().clear();
    }

    /// Forgets what was kept for too long. So does every other look.
    pub(crate) fn sweep(&self) {
        drop(self.kept());
    }

    /// Held for moments only, never across an await.
    fn kept(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| kept.since.elapsed() < LONGEST);
        kept
    }
}

fn bytes(kept: &HashMap<Key, Kept>) -> u64 {
    kept.values().map(|kept| kept.upload.offset()).sum()
}

/// The oldest of whoever has most.
fn next_to_go(kept: &HashMap<Key, Kept>) -> Option<Key> {
    let mut of_each: HashMap<Option<IpAddr>, u64> = HashMap::new();
    for kept in kept.values() {
        *of_each.entry(kept.from).or_default() += kept.upload.offset();
    }
    let (most, _) = of_each.into_iter().max_by_key(|(_, bytes)| *bytes)?;
    let of_most = kept.iter().filter(|(_, kept)| kept.from == most);
    of_most
        .min_by_key(|(_, kept)| kept.since)
        .map(|(key, _)| *key)
}

/// Each has a file open, and takes of memory a few hundred bytes.
const MOST: usize = 64;
const MOST_BYTES: u64 = 8 << 30;
const LONGEST: Duration = Duration::from_secs(15 * 60);
