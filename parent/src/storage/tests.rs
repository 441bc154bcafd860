//! What any storage must do. `conformance` takes whatever implements the trait.

use std::fs;

use sealsum_protocol::{ClientId, RoundId};

use super::*;

fn round(id: u8) -> RoundId {
    RoundId::new([id; 32])
}

fn client(id: u8) -> ClientId {
    ClientId::new([id; 32])
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

async fn conformance(storage: &dyn Storage) {
    records_are_replaced_whole_and_removed(storage).await;
    a_round_is_listed_once_its_state_is_there(storage).await;
    a_blob_is_seen_only_after_its_commit(storage).await;
    clients_are_listed_in_order_and_by_kind(storage).await;
}

async fn records_are_replaced_whole_and_removed(storage: &dyn Storage) {
    let kinds = [
        Record::Evidence,
        Record::Acceptance(client(1)),
        Record::Closing,
        Record::Receipt,
        Record::AbortReceipt,
    ];
    for (i, kind) in kinds.into_iter().enumerate() {
        assert_eq!(storage.record(round(1), kind).await.unwrap(), None);
        storage.put(round(1), kind, vec![1; 9]).await.unwrap();
        storage.put(round(1), kind, vec![i as u8]).await.unwrap();
    }
    for (i, kind) in kinds.into_iter().enumerate() {
        let found = storage.record(round(1), kind).await.unwrap();
        assert_eq!(found, Some(vec![i as u8]), "{kind:?}");
        assert_eq!(storage.record(round(2), kind).await.unwrap(), None);
        storage.remove(round(1), kind).await.unwrap();
        storage.remove(round(1), kind).await.unwrap();
        assert_eq!(storage.record(round(1), kind).await.unwrap(), None);
    }
}

async fn a_round_is_listed_once_its_state_is_there(storage: &dyn Storage) {
    storage
        .put(round(3), Record::Evidence, vec![1])
        .await
        .unwrap();
    assert!(!storage.rounds().await.unwrap().contains(&round(3)));
    storage.put(round(3), Record::State, vec![1]).await.unwrap();
    assert!(storage.rounds().await.unwrap().contains(&round(3)));
}

async fn a_blob_is_seen_only_after_its_commit(storage: &dyn Storage) {
    for blob in [Blob::Upload(client(1)), Blob::MaskedSum, Blob::Aggregate] {
        let mut writer = storage.write_blob(round(4), blob).await.unwrap();
        writer.write(b"half of it").unwrap();
        assert!(storage.blob(round(4), blob).await.unwrap().is_none());
        drop(writer);
        assert!(storage.blob(round(4), blob).await.unwrap().is_none());

        for content in [vec![7; 200_000], b"later".to_vec()] {
            let mut writer = storage.write_blob(round(4), blob).await.unwrap();
            for piece in content.chunks(70_000) {
                writer.write(piece).unwrap();
            }
            let earlier = storage.blob(round(4), blob).await.unwrap();
            writer.commit().await.unwrap();
            assert_eq!(read_blob(storage, round(4), blob).await, Some(content));
            // Whoever reads goes on reading what it opened.
            if let Some(earlier) = earlier {
                assert_eq!(earlier.read(199_990, 10).await.unwrap(), [7; 10]);
            }
        }
        storage.remove_blob(round(4), blob).await.unwrap();
        storage.remove_blob(round(4), blob).await.unwrap();
        assert!(storage.blob(round(4), blob).await.unwrap().is_none());
    }
}

async fn clients_are_listed_in_order_and_by_kind(storage: &dyn Storage) {
    assert!(storage.uploads(round(5)).await.unwrap().is_empty());
    for id in [9, 2, 5] {
        let blob = Blob::Upload(client(id));
        let writer = storage.write_blob(round(5), blob).await.unwrap();
        writer.commit().await.unwrap();
    }
    let record = Record::Acceptance(client(2));
    storage.put(round(5), record, vec![1]).await.unwrap();
    let uploads = storage.uploads(round(5)).await.unwrap();
    assert_eq!(uploads, [client(2), client(5), client(9)]);
    assert_eq!(storage.accepted(round(5)).await.unwrap(), [client(2)]);
}

#[tokio::test]
async fn files_conform() {
    let folder = tempfile::tempdir().unwrap();
    conformance(&Files::open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart_and_what_was_not_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let blob = Blob::Upload(client(1));
    {
        let storage = Files::open(folder.path()).unwrap();
        storage.put(round(1), Record::State, vec![5]).await.unwrap();
        let mut writer = storage.write_blob(round(1), blob).await.unwrap();
        writer.write(b"kept").unwrap();
        writer.commit().await.unwrap();
    }
    // As a kill in the middle of a write leaves it.
    fs::write(folder.path().join("temporary").join("99"), b"half").unwrap();
    let stray = folder.path().join("rounds").join(round(1).to_string());
    fs::write(stray.join("uploads").join("stray"), b"not ours").unwrap();

    let storage = Files::open(folder.path()).unwrap();
    assert_eq!(
        fs::read_dir(folder.path().join("temporary"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(storage.rounds().await.unwrap(), [round(1)]);
    assert_eq!(storage.uploads(round(1)).await.unwrap(), [client(1)]);
    assert_eq!(read_blob(&storage, round(1), blob).await.unwrap(), b"kept");
}

#[tokio::test]
async fn an_abandoned_writer_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Files::open(folder.path()).unwrap();
    let mut writer = storage.write_blob(round(1), Blob::Aggregate).await.unwrap();
    writer.write(&[1; 100_000]).unwrap();
    drop(writer);
    assert_eq!(
        fs::read_dir(folder.path().join("temporary"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_folder_belongs_to_one_parent() {
    let folder = tempfile::tempdir().unwrap();
    let first = Files::open(folder.path()).unwrap();
    assert!(matches!(
        Files::open(folder.path()),
        Err(StorageError::Locked(_))
    ));
    drop(first);
    assert!(Files::open(folder.path()).is_ok());
}
