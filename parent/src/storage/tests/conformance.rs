//! The suite: each case on a round of its own, so that all share one store.

use futures_util::StreamExt as _;

use super::*;

pub(super) async fn conforms(medium: &dyn Medium) {
    let storage = medium.open().await;
    hold(&*storage, (1..=15).map(round)).await;
    records_are_replaced_whole_and_removed(&*storage).await;
    a_round_is_listed_once_its_state_is_there(&*storage).await;
    a_blob_is_seen_only_after_its_commit(&*storage).await;
    clients_are_listed_in_order_and_by_kind(&*storage).await;
    ids_have_any_bytes(&*storage).await;
    acceptances_come_in_pages(&*storage).await;
    a_record_may_be_empty_or_large(&*storage).await;
    a_large_blob_is_read_at_any_place(&*storage).await;
    a_blob_is_read_whole_while_others_take_its_place(&storage).await;
    many_write_at_once(&storage).await;
    a_round_is_removed_whole_and_alone(&*storage).await;
    uploads_are_removed_all_and_alone(&*storage).await;
    drop(storage);
    what_was_committed_is_there_when_opened_again(medium).await;
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
    let evidence = Record::Evidence;
    storage.put(round(3), evidence, vec![1]).await.unwrap();
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

        for content in [vec![7; 200_000], b"later".to_vec(), Vec::new()] {
            let earlier = storage.blob(round(4), blob).await.unwrap();
            write_blob(storage, round(4), blob, content.clone()).await;
            // Whoever reads goes on reading what it opened.
            if let Some(earlier) = earlier
                && earlier.bytes > 10
            {
                assert_eq!(earlier.read(199_990, 10).await.unwrap(), [7; 10]);
            }
            if content.is_empty() {
                let stored = storage.blob(round(4), blob).await.unwrap().unwrap();
                assert_eq!(stored.bytes, 0);
                assert!(stored.read(0, 0).await.unwrap().is_empty());
            } else {
                assert_eq!(read_blob(storage, round(4), blob).await, Some(content));
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
        write_blob(storage, round(5), Blob::Upload(client(id)), vec![id]).await;
    }
    write_blob(storage, round(5), Blob::Aggregate, vec![1]).await;
    let record = Record::Acceptance(client(2));
    storage.put(round(5), record, vec![1]).await.unwrap();
    let receipt = Record::Receipt;
    storage.put(round(5), receipt, vec![2]).await.unwrap();
    let uploads = storage.uploads(round(5)).await.unwrap();
    assert_eq!(uploads, [client(2), client(5), client(9)]);
    assert_eq!(acceptances(storage, round(5)).await, [(client(2), vec![1])]);
}

/// Zero, all ones, quotes, separators, bytes that are no text: an id is 32 bytes and no more.
async fn ids_have_any_bytes(storage: &dyn Storage) {
    let id_of = |first: u8| -> [u8; 32] { std::array::from_fn(|i| first.wrapping_add(i as u8)) };
    let rounds = [0_u8, 39, 92, 224].map(|first| RoundId::new(id_of(first)));
    hold(storage, rounds).await;
    let clients: Vec<ClientId> = (0..=255).map(|first| ClientId::new(id_of(first))).collect();
    for (i, round) in rounds.into_iter().enumerate() {
        for client in &clients {
            let value = vec![i as u8, client.as_bytes()[0]];
            let record = Record::Acceptance(*client);
            storage.put(round, record, value).await.unwrap();
        }
    }
    for (i, round) in rounds.into_iter().enumerate() {
        let mut expected: Vec<_> = clients
            .iter()
            .map(|client| (*client, vec![i as u8, client.as_bytes()[0]]))
            .collect();
        expected.sort();
        assert_eq!(acceptances(storage, round).await, expected);
    }
    for client in clients.iter().step_by(51) {
        let blob = Blob::Upload(*client);
        write_blob(storage, rounds[1], blob, client.as_bytes().to_vec()).await;
        let found = read_blob(storage, rounds[1], blob).await;
        assert_eq!(found.unwrap(), client.as_bytes());
    }
    let mut expected: Vec<ClientId> = clients.iter().copied().step_by(51).collect();
    expected.sort();
    assert_eq!(storage.uploads(rounds[1]).await.unwrap(), expected);
}

async fn acceptances_come_in_pages(storage: &dyn Storage) {
    let count = u64::from(ACCEPTANCES_AT_A_TIME) + 10;
    let clients: Vec<ClientId> = (0..count)
        .map(|number| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            ClientId::new(id)
        })
        .collect();
    let puts = clients
        .iter()
        .map(|client| storage.put(round(6), Record::Acceptance(*client), vec![3]));
    for done in futures_util::future::join_all(puts).await {
        done.unwrap();
    }
    let found = acceptances(storage, round(6)).await;
    assert!(found.iter().map(|(client, _)| client).eq(&clients));
    let first = storage.acceptances(round(6), None).await.unwrap();
    assert_eq!(first.len(), ACCEPTANCES_AT_A_TIME as usize);
    let last = storage.acceptances(round(6), clients.last().copied()).await;
    assert!(last.unwrap().is_empty());
}

async fn a_record_may_be_empty_or_large(storage: &dyn Storage) {
    for value in [Vec::new(), (0..1_000_000).map(|i| i as u8).collect()] {
        let record = Record::Closing;
        storage.put(round(7), record, value.clone()).await.unwrap();
        let found = storage.record(round(7), record).await.unwrap();
        assert!(found.unwrap() == value, "{} bytes", value.len());
    }
}

async fn a_large_blob_is_read_at_any_place(storage: &dyn Storage) {
    let content: Vec<u8> = (0..20_000_011_u32).map(|i| (i / 97) as u8).collect();
    let blob = Blob::Aggregate;
    write_blob(storage, round(8), blob, content.clone()).await;
    let stored = storage.blob(round(8), blob).await.unwrap().unwrap();
    assert_eq!(stored.bytes, content.len() as u64);
    for (start, bytes) in [(0, 1), (1, 100_000), (9_999_999, 65_536), (20_000_010, 1)] {
        let found = stored.read(start as u64, bytes).await.unwrap();
        assert!(found == content[start..start + bytes], "from {start} on");
    }
    for (start, bytes) in [(20_000_011, 1), (19_999_999, 13), (40_000_000, 5)] {
        let error = stored.read(start, bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

/// Each content is one byte over and over, so that a mixture shows.
async fn a_blob_is_read_whole_while_others_take_its_place(storage: &Arc<dyn Storage>) {
    let blob = Blob::MaskedSum;
    write_blob(&**storage, round(9), blob, vec![0; 300_000]).await;
    let reading = tokio::spawn({
        let storage = Arc::clone(storage);
        async move {
            for turn in 0..40_u64 {
                let stored = storage.blob(round(9), blob).await.unwrap().unwrap();
                let mut seen = stored.read(0, 1).await.unwrap();
                for offset in [1, 299_000, 7_000 * turn] {
                    seen.extend(stored.read(offset, 1_000).await.unwrap());
                }
                assert!(seen.iter().all(|byte| *byte == seen[0]), "turn {turn}");
            }
        }
    });
    for content in 1..20 {
        write_blob(&**storage, round(9), blob, vec![content; 300_000]).await;
    }
    reading.await.unwrap();
}

async fn many_write_at_once(storage: &Arc<dyn Storage>) {
    let mut tasks = Vec::new();
    for task in 0..8_u8 {
        let storage = Arc::clone(storage);
        tasks.push(tokio::spawn(async move {
            for i in 0..20_u8 {
                let client = client(task * 20 + i);
                let upload = Blob::Upload(client);
                write_blob(&*storage, round(10), upload, vec![task; 5_000]).await;
                let record = Record::Acceptance(client);
                storage.put(round(10), record, vec![task]).await.unwrap();
                // One that all fight for: it has some task's value, whole.
                let closing = vec![task; 4_000];
                storage
                    .put(round(10), Record::Closing, closing)
                    .await
                    .unwrap();
                let aggregate = vec![task; 4_000];
                write_blob(&*storage, round(10), Blob::Aggregate, aggregate).await;
                // What one has written, it reads.
                let read = storage.record(round(10), record).await.unwrap();
                assert_eq!(read, Some(vec![task]));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(storage.uploads(round(10)).await.unwrap().len(), 160);
    assert_eq!(acceptances(&**storage, round(10)).await.len(), 160);
    let closing = storage.record(round(10), Record::Closing).await.unwrap();
    let aggregate = read_blob(&**storage, round(10), Blob::Aggregate).await;
    for whole in [closing.unwrap(), aggregate.unwrap()] {
        assert_eq!(whole, vec![whole[0]; 4_000]);
    }
}

async fn a_round_is_removed_whole_and_alone(storage: &dyn Storage) {
    let records = [
        Record::State,
        Record::Evidence,
        Record::Acceptance(client(1)),
        Record::Acceptance(client(2)),
        Record::Closing,
        Record::Receipt,
        Record::AbortReceipt,
        Record::ClosingRule,
        Record::Scheduled,
        Record::Opening,
    ];
    // Small and large: a store may keep them in different places.
    let blobs = [
        (Blob::Upload(client(1)), 100),
        (Blob::Upload(client(2)), 200_000),
        (Blob::MaskedSum, 200_000),
        (Blob::Aggregate, 10),
        (Blob::AggregatePart(0), 200_000),
        (Blob::AggregatePart(7), 1_000),
    ];
    let (goes, stays) = (round(12), round(13));
    // What was removed may come again, whole as well.
    for turn in 0..2 {
        for id in [goes, stays] {
            for record in records {
                storage.put(id, record, vec![turn]).await.unwrap();
            }
            for (blob, bytes) in blobs {
                write_blob(storage, id, blob, vec![turn; bytes]).await;
            }
        }
        storage.remove_round(goes).await.unwrap();
        storage.remove_round(goes).await.unwrap();
        for record in records {
            assert_eq!(storage.record(goes, record).await.unwrap(), None);
            let kept = storage.record(stays, record).await.unwrap();
            assert_eq!(kept, Some(vec![turn]), "{record:?}");
        }
        for (blob, bytes) in blobs {
            let gone = storage.blob(goes, blob).await.unwrap();
            assert!(gone.is_none(), "{blob:?}");
            let kept = read_blob(storage, stays, blob).await;
            assert_eq!(kept, Some(vec![turn; bytes]), "{blob:?}");
        }
        assert!(storage.uploads(goes).await.unwrap().is_empty());
        assert!(acceptances(storage, goes).await.is_empty());
        let listed = storage.rounds().await.unwrap();
        assert!(!listed.contains(&goes) && listed.contains(&stays));
    }
}

async fn uploads_are_removed_all_and_alone(storage: &dyn Storage) {
    let (goes, stays) = (round(14), round(15));
    storage.remove_uploads(goes).await.unwrap();
    // Of either kind of length, and small ones by the thousand.
    let many = (0..1_100_u32).map(|number| {
        let mut id = [7; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let bytes = if number < 3 { 50_000 } else { 10 };
        write_blob(
            storage,
            goes,
            Blob::Upload(ClientId::new(id)),
            vec![1; bytes],
        )
    });
    futures_util::stream::iter(many)
        .buffer_unordered(64)
        .collect::<()>()
        .await;
    for round in [goes, stays] {
        write_blob(storage, round, Blob::Upload(client(1)), vec![2; 9]).await;
        write_blob(storage, round, Blob::MaskedSum, vec![3; 9]).await;
        write_blob(storage, round, Blob::Aggregate, vec![4; 40_000]).await;
        storage.put(round, Record::State, vec![5]).await.unwrap();
    }
    assert_eq!(storage.uploads(goes).await.unwrap().len(), 1_101);
    for _ in 0..2 {
        storage.remove_uploads(goes).await.unwrap();
        assert!(storage.uploads(goes).await.unwrap().is_empty());
        let gone = storage.blob(goes, Blob::Upload(client(1))).await;
        assert!(gone.unwrap().is_none());
    }
    assert_eq!(storage.uploads(stays).await.unwrap(), [client(1)]);
    for round in [goes, stays] {
        let sum = read_blob(storage, round, Blob::MaskedSum).await;
        assert_eq!(sum.unwrap(), [3; 9]);
        let aggregate = read_blob(storage, round, Blob::Aggregate).await;
        assert_eq!(aggregate.unwrap(), [4; 40_000]);
        let state = storage.record(round, Record::State).await.unwrap();
        assert_eq!(state, Some(vec![5]));
    }
    // What comes later is kept again.
    write_blob(storage, goes, Blob::Upload(client(2)), vec![6; 50_000]).await;
    assert_eq!(storage.uploads(goes).await.unwrap(), [client(2)]);
}

async fn what_was_committed_is_there_when_opened_again(medium: &dyn Medium) {
    let (upload, half) = (Blob::Upload(client(1)), Blob::Upload(client(2)));
    let storage = medium.open().await;
    hold(&*storage, [round(11)]).await;
    let listed_before = storage.rounds().await.unwrap();
    storage
        .put(round(11), Record::State, vec![5])
        .await
        .unwrap();
    storage
        .put(round(11), Record::Receipt, vec![6])
        .await
        .unwrap();
    storage.remove(round(11), Record::Receipt).await.unwrap();
    write_blob(&*storage, round(11), upload, b"kept".to_vec()).await;
    let mut writer = storage.write_blob(round(11), half).await.unwrap();
    writer.write(&[1; 100_000]).unwrap();
    drop(writer);
    drop(storage);

    let storage = medium.open().await;
    let mut listed = listed_before;
    listed.push(round(11));
    listed.sort();
    assert_eq!(storage.rounds().await.unwrap(), listed);
    let state = storage.record(round(11), Record::State).await.unwrap();
    assert_eq!(state, Some(vec![5]));
    let receipt = storage.record(round(11), Record::Receipt).await.unwrap();
    assert_eq!(receipt, None);
    assert_eq!(storage.uploads(round(11)).await.unwrap(), [client(1)]);
    let kept = read_blob(&*storage, round(11), upload).await;
    assert_eq!(kept.unwrap(), b"kept");
    assert_eq!(acceptances(&*storage, round(10)).await.len(), 160);
}
