//! What any storage must do, and what only one kind does.
//!
//! `conformance` and `model` take whatever implements the trait.

mod conformance;
mod embedded;
mod import;
#[cfg(feature = "servers")]
mod leases;
mod model;
#[cfg(feature = "servers")]
mod servers;
#[cfg(feature = "servers")]
mod shared;

use sealsum_protocol::{ClientId, RoundId};

use super::*;

fn round(id: u8) -> RoundId {
    RoundId::new([id; 32])
}

fn client(id: u8) -> ClientId {
    ClientId::new([id; 32])
}

/// Where a store can be opened again as it was left. The one opened before is dropped first.
trait Medium {
    fn open(&self) -> Pin<Box<dyn Future<Output = Arc<dyn Storage>> + '_>>;
}

/// A folder of its own.
impl Medium for tempfile::TempDir {
    fn open(&self) -> Pin<Box<dyn Future<Output = Arc<dyn Storage>> + '_>> {
        Box::pin(async {
            let storage: Arc<dyn Storage> = Arc::new(Embedded::open(self.path()).unwrap());
            storage
        })
    }
}

/// Whoever writes to a round holds it.
async fn hold(storage: &dyn Storage, rounds: impl IntoIterator<Item = RoundId>) {
    for round in rounds {
        assert_eq!(storage.hold(round).await.unwrap(), Holder::Ours);
    }
}

pub(crate) async fn read_blob(
    storage: &dyn Storage,
    round: RoundId,
    blob: Blob,
) -> Option<Vec<u8>> {
    let stored = storage.blob(round, blob).await.unwrap()?;
    let bytes = stored.read(0, stored.bytes as usize).await.unwrap();
    let beyond = stored.read(1, stored.bytes as usize).await;
    assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    Some(bytes)
}

async fn write_blob(storage: &dyn Storage, round: RoundId, blob: Blob, content: Vec<u8>) {
    let mut writer = storage.write_blob(round, blob).await.unwrap();
    let writer = blocking(move || {
        for piece in content.chunks(70_000) {
            writer.write(piece).unwrap();
        }
        writer
    })
    .await;
    writer.commit().await.unwrap();
}

/// All pages.
async fn acceptances(storage: &dyn Storage, round: RoundId) -> Vec<(ClientId, Vec<u8>)> {
    let mut all: Vec<(ClientId, Vec<u8>)> = Vec::new();
    loop {
        let after = all.last().map(|(client, _)| *client);
        let page = storage.acceptances(round, after).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}
