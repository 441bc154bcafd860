//! A disk in memory that does what disks do: takes its time, is full, and at a cut loses whatever
//! was not synced, or keeps a part of it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealsum_parent::{
    Blob, BlobReader, BlobWriter, Pending, Record, Storage, StorageError, StoredBlob,
};
use sealsum_protocol::{ClientId, RoundId};
use sealsum_testkit::SeededRng;

use crate::weather::Weather;

/// The disk. Clones share it; it outlives every parent.
#[derive(Clone)]
pub(crate) struct SimDisk(Arc<Mutex<Disk>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name {
    Record(Record),
    Blob(Blob),
}

type Key = (RoundId, Name);
type Content = Option<Arc<Vec<u8>>>;

struct Disk {
    weather: Weather,
    rng: SeededRng,
    /// What a parent that runs reads.
    seen: HashMap<Key, Arc<Vec<u8>>>,
    /// What is there after a cut.
    durable: HashMap<Key, Arc<Vec<u8>>>,
    /// Changes that a cut may lose, oldest first.
    unsynced: Vec<(u64, Key, Content)>,
    changes: u64,
    /// Counts every cut; what was under way before it comes too late.
    life: u64,
    refused: u64,
}

impl SimDisk {
    pub(crate) fn new(weather: Weather, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            weather,
            rng: SeededRng::new(seed),
            seen: HashMap::new(),
            durable: HashMap::new(),
            unsynced: Vec::new(),
            changes: 0,
            life: 0,
            refused: 0,
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// The power goes: of what was not synced, each change is there, or not, or torn.
    pub(crate) fn cut(&self) {
        let mut disk = self.disk();
        disk.life += 1;
        let unsynced = std::mem::take(&mut disk.unsynced);
        for (_, key, content) in unsynced {
            match (disk.rng.below(3), content) {
                (0, content) => disk.keep(key, content),
                (1, Some(content)) if disk.weather.tears => {
                    let whole = content.len() as u64;
                    let part = usize::try_from(disk.rng.below(whole + 1)).unwrap();
                    disk.keep(key, Some(Arc::new(content[..part].to_vec())));
                }
                _ => {}
            }
        }
        disk.seen = disk.durable.clone();
    }

    /// From now on it is never full.
    pub(crate) fn has_room(&self) {
        self.disk().weather.full = 0;
    }

    /// Writes that it had no room for.
    pub(crate) fn refused(&self) -> u64 {
        self.disk().refused
    }

    /// One change: begun, seen, synced, each a moment after the other.
    fn change(&self, key: Key, content: Content) -> Pending<'static, ()> {
        let disk = self.clone();
        Box::pin(async move {
            let number = disk.begin(key, content.clone())?;
            disk.pause().await;
            disk.disk().show(key, content);
            disk.pause().await;
            disk.disk().sync(number);
            disk.pause().await;
            Ok(())
        })
    }

    fn begin(&self, key: Key, content: Content) -> Result<u64, StorageError> {
        let mut disk = self.disk();
        let full = disk.weather.full;
        if content.is_some() && disk.rng.below(1000) < full {
            disk.refused += 1;
            return Err(StorageError::Io {
                action: "write",
                path: "the disk".into(),
                source: io::ErrorKind::StorageFull.into(),
            });
        }
        disk.changes += 1;
        let number = disk.changes;
        disk.unsynced.push((number, key, content));
        Ok(number)
    }

    async fn pause(&self) {
        let micros = {
            let mut disk = self.disk();
            let slowest = disk.weather.disk_micros;
            disk.rng.below(slowest)
        };
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }

    async fn read(&self, key: Key) -> Content {
        self.pause().await;
        self.disk().seen.get(&key).cloned()
    }

    fn names(&self, round: RoundId, wanted: impl Fn(Name) -> Option<ClientId>) -> Vec<ClientId> {
        let disk = self.disk();
        let of_round = disk.seen.keys().filter(|(of, _)| *of == round);
        let mut clients: Vec<_> = of_round.filter_map(|(_, name)| wanted(*name)).collect();
        clients.sort_unstable();
        clients
    }
}

impl Disk {
    fn show(&mut self, key: Key, content: Content) {
        match content {
            Some(content) => self.seen.insert(key, content),
            None => self.seen.remove(&key),
        };
    }

    fn keep(&mut self, key: Key, content: Content) {
        match content {
            Some(content) => self.durable.insert(key, content),
            None => self.durable.remove(&key),
        };
    }

    /// Makes a change durable, unless this disk says so and does not do it.
    fn sync(&mut self, number: u64) {
        let lie = self.weather.lost_syncs;
        if self.rng.below(1000) < lie {
            return;
        }
        let place = self.unsynced.iter().position(|(n, ..)| *n == number);
        if let Some(place) = place {
            let (_, key, content) = self.unsynced.remove(place);
            // Older changes of the same name are overtaken by this one.
            self.unsynced
                .retain(|(n, other, _)| *other != key || *n > number);
            self.keep(key, content);
        }
    }
}

impl Storage for SimDisk {
    fn rounds_with(&self, record: Record) -> Pending<'_, Vec<RoundId>> {
        Box::pin(async move {
            self.pause().await;
            let disk = self.disk();
            let states = disk
                .seen
                .keys()
                .filter(|(_, name)| *name == Name::Record(record));
            let mut rounds: Vec<_> = states.map(|(round, _)| *round).collect();
            rounds.sort_unstable();
            Ok(rounds)
        })
    }

    fn put(&self, round: RoundId, record: Record, value: Vec<u8>) -> Pending<'_, ()> {
        self.change((round, Name::Record(record)), Some(Arc::new(value)))
    }

    fn record(&self, round: RoundId, record: Record) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            let found = self.read((round, Name::Record(record))).await;
            Ok(found.map(|found| found.to_vec()))
        })
    }

    fn remove(&self, round: RoundId, record: Record) -> Pending<'_, ()> {
        self.change((round, Name::Record(record)), None)
    }

    fn acceptances(
        &self,
        round: RoundId,
        after: Option<ClientId>,
    ) -> Pending<'_, Vec<(ClientId, Vec<u8>)>> {
        Box::pin(async move {
            self.pause().await;
            let mut clients = self.names(round, |name| match name {
                Name::Record(Record::Acceptance(client)) => Some(client),
                _ => None,
            });
            clients.retain(|client| after.is_none_or(|after| *client > after));
            clients.truncate(PAGE);
            let disk = self.disk();
            let read = clients.into_iter().filter_map(|client| {
                let name = Name::Record(Record::Acceptance(client));
                Some((client, disk.seen.get(&(round, name))?.to_vec()))
            });
            Ok(read.collect())
        })
    }

    fn uploads(&self, round: RoundId) -> Pending<'_, Vec<ClientId>> {
        Box::pin(async move {
            self.pause().await;
            Ok(self.names(round, |name| match name {
                Name::Blob(Blob::Upload(client)) => Some(client),
                _ => None,
            }))
        })
    }

    fn write_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Box<dyn BlobWriter>> {
        Box::pin(async move {
            self.pause().await;
            let writer: Box<dyn BlobWriter> = Box::new(Writer {
                disk: self.clone(),
                key: (round, Name::Blob(blob)),
                bytes: Vec::new(),
            });
            Ok(writer)
        })
    }

    fn blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Option<StoredBlob>> {
        Box::pin(async move {
            let found = self.read((round, Name::Blob(blob))).await;
            Ok(found.map(|bytes| StoredBlob {
                bytes: bytes.len() as u64,
                reader: Arc::new(Bytes(bytes)),
            }))
        })
    }

    fn remove_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, ()> {
        self.change((round, Name::Blob(blob)), None)
    }

    fn remove_uploads(&self, round: RoundId) -> Pending<'_, ()> {
        Box::pin(async move {
            for client in self.uploads(round).await? {
                self.remove_blob(round, Blob::Upload(client)).await?;
            }
            Ok(())
        })
    }

    fn remove_round(&self, round: RoundId) -> Pending<'_, ()> {
        Box::pin(async move {
            let names: Vec<Name> = {
                let disk = self.disk();
                let of_round = disk.seen.keys().filter(|(of, _)| *of == round);
                of_round.map(|(_, name)| *name).collect()
            };
            let state = Name::Record(Record::State);
            for name in names.into_iter().filter(|name| *name != state) {
                self.change((round, name), None).await?;
            }
            self.change((round, state), None).await
        })
    }
}

struct Writer {
    disk: SimDisk,
    key: Key,
    bytes: Vec<u8>,
}

impl BlobWriter for Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Pending<'static, ()> {
        self.disk.change(self.key, Some(Arc::new(self.bytes)))
    }
}

struct Bytes(Arc<Vec<u8>>);

impl BlobReader for Bytes {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let found = self.0.get(start..start + buffer.len());
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Acceptances at a time: fewer than a round has.
const PAGE: usize = 2;
