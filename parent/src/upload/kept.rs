//! Uploads whose sender went away, kept for a while: a sender that comes back goes on where it
//! was. Kept in this process alone; after a restart a sender begins anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sealsum_protocol::{ClientId, Digest, RoundId};
use tokio::time::Instant;

use super::BegunUpload;

/// What is kept. By contribution, so that nobody can put another in its place.
#[derive(Default)]
pub(crate) struct KeptUploads(Mutex<HashMap<Key, Kept>>);

type Key = (RoundId, ClientId, Digest);

struct Kept {
    upload: BegunUpload,
    since: Instant,
}

impl KeptUploads {
    /// Keeps it; beyond so many the oldest goes.
    pub(crate) fn keep(&self, upload: BegunUpload) {
        let header = upload.header();
        let key = (header.round_id, header.client, upload.contribution());
        let mut kept = self.kept();
        let since = Instant::now();
        kept.insert(key, Kept { upload, since });
        if kept.len() > MOST {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.since);
            let oldest = oldest.map(|(key, _)| *key);
            oldest.and_then(|key| kept.remove(&key));
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

    /// Held for moments only, never across an await. What was kept for too long goes at each look.
    fn kept(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, kept| kept.since.elapsed() < LONGEST);
        kept
    }
}

/// Each has a file open, and takes of memory a few hundred bytes.
const MOST: usize = 64;
const LONGEST: Duration = Duration::from_secs(15 * 60);
