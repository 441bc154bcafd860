//! Random operations, compared after each with two maps in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

#[derive(Clone, Debug)]
enum Operation {
    Put(u8, Record, Vec<u8>),
    Remove(u8, Record),
    /// Content, and whether it is committed.
    Write(u8, Blob, Vec<u8>, bool),
    RemoveBlob(u8, Blob),
    RemoveRound(u8),
    /// A reader that is kept, and read from after each further operation.
    Open(u8, Blob),
    Reopen,
}

/// Few names, so that they meet.
fn operation() -> impl Strategy<Value = Operation> {
    let records = prop_oneof![
        Just(Record::State),
        Just(Record::Evidence),
        Just(Record::Closing),
        Just(Record::Receipt),
        Just(Record::AbortReceipt),
        (0..3_u8).prop_map(|id| Record::Acceptance(client(id))),
    ];
    let blobs = prop_oneof![
        (0..3_u8).prop_map(|id| Blob::Upload(client(id))),
        Just(Blob::MaskedSum),
        Just(Blob::Aggregate),
        (0_u64..3).prop_map(Blob::AggregatePart),
    ];
    let value = prop::collection::vec(any::<u8>(), 0..40);
    // On both sides of where a blob is kept otherwise.
    let bytes = prop_oneof![0..2_000_usize, 32_000..34_000_usize, 0..200_000_usize];
    let content = (any::<u8>(), bytes).prop_map(|(byte, bytes)| vec![byte; bytes]);
    let round = 0..2_u8;
    prop_oneof![
        4 => (round.clone(), records.clone(), value).prop_map(|(r, k, v)| Operation::Put(r, k, v)),
        2 => (round.clone(), records).prop_map(|(r, k)| Operation::Remove(r, k)),
        4 => (round.clone(), blobs.clone(), content, prop::bool::weighted(0.7))
            .prop_map(|(r, b, c, commit)| Operation::Write(r, b, c, commit)),
        2 => (round.clone(), blobs.clone()).prop_map(|(r, b)| Operation::RemoveBlob(r, b)),
        2 => (round.clone(), blobs).prop_map(|(r, b)| Operation::Open(r, b)),
        1 => round.prop_map(Operation::RemoveRound),
        1 => Just(Operation::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    records: BTreeMap<(u8, &'static str, Vec<u8>), Vec<u8>>,
    blobs: BTreeMap<(u8, String), (Blob, Vec<u8>)>,
}

fn record_key(round: u8, record: Record) -> (u8, &'static str, Vec<u8>) {
    let (kind, client) = record.key();
    (round, kind, client.to_vec())
}

fn blob_key(round: u8, blob: Blob) -> (u8, String) {
    (round, format!("{blob:?}"))
}

/// `fresh` makes a medium with nothing on it.
pub(super) fn agrees_with_the_model<M: Medium>(cases: u32, fresh: impl Fn() -> M) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let operations = prop::collection::vec(operation(), 1..40);
    let ran = runner.run(&operations, |operations| {
        let medium = fresh();
        runtime.block_on(follow(&medium, operations));
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

async fn follow<M: Medium>(medium: &M, operations: Vec<Operation>) {
    let mut storage = medium.open().await;
    hold(&*storage, [round(0), round(1)]).await;
    let (mut model, mut readers) = (Model::default(), Vec::new());
    for operation in operations {
        match operation {
            Operation::Put(id, record, value) => {
                storage.put(round(id), record, value.clone()).await.unwrap();
                model.records.insert(record_key(id, record), value);
            }
            Operation::Remove(id, record) => {
                storage.remove(round(id), record).await.unwrap();
                model.records.remove(&record_key(id, record));
            }
            Operation::Write(id, blob, content, true) => {
                write_blob(&*storage, round(id), blob, content.clone()).await;
                model.blobs.insert(blob_key(id, blob), (blob, content));
            }
            Operation::Write(id, blob, content, false) => {
                let mut writer = storage.write_blob(round(id), blob).await.unwrap();
                blocking(move || writer.write(&content).unwrap()).await;
            }
            Operation::RemoveBlob(id, blob) => {
                storage.remove_blob(round(id), blob).await.unwrap();
                model.blobs.remove(&blob_key(id, blob));
            }
            Operation::RemoveRound(id) => {
                storage.remove_round(round(id)).await.unwrap();
                model.records.retain(|(of, ..), _| *of != id);
                model.blobs.retain(|(of, _), _| *of != id);
            }
            Operation::Open(id, blob) => {
                let opened = storage.blob(round(id), blob).await.unwrap();
                let expected = model.blobs.get(&blob_key(id, blob));
                assert_eq!(opened.is_some(), expected.is_some());
                if let (Some(opened), Some((_, content))) = (opened, expected) {
                    readers.push((opened, content.clone()));
                }
            }
            Operation::Reopen => {
                drop(storage);
                storage = medium.open().await;
                hold(&*storage, [round(0), round(1)]).await;
            }
        }
        compare(&*storage, &model).await;
        for (reader, content) in &readers {
            let middle = content.len() / 2;
            let found = reader.read(middle as u64, content.len() - middle).await;
            assert!(
                found.unwrap() == content[middle..],
                "an opened blob changed"
            );
        }
    }
}

async fn compare(storage: &dyn Storage, model: &Model) {
    let listed: Vec<RoundId> = model
        .records
        .keys()
        .filter(|(_, kind, _)| *kind == keys::STATE)
        .map(|(id, _, _)| round(*id))
        .collect();
    assert_eq!(storage.rounds().await.unwrap(), listed);
    for id in 0..2 {
        for record in [
            Record::State,
            Record::Evidence,
            Record::Closing,
            Record::Receipt,
            Record::AbortReceipt,
        ] {
            let found = storage.record(round(id), record).await.unwrap();
            assert_eq!(found.as_ref(), model.records.get(&record_key(id, record)));
        }
        let expected: Vec<_> = (0..3)
            .filter_map(|number| {
                let key = record_key(id, Record::Acceptance(client(number)));
                Some((client(number), model.records.get(&key)?.clone()))
            })
            .collect();
        assert_eq!(acceptances(storage, round(id)).await, expected);
        let uploads: Vec<ClientId> = (0..3)
            .map(client)
            .filter(|client| {
                let key = blob_key(id, Blob::Upload(*client));
                model.blobs.contains_key(&key)
            })
            .collect();
        assert_eq!(storage.uploads(round(id)).await.unwrap(), uploads);
    }
    for ((id, _), (blob, content)) in &model.blobs {
        let stored = storage.blob(round(*id), *blob).await.unwrap().unwrap();
        let found = stored.read(0, content.len()).await.unwrap();
        assert!(stored.bytes == content.len() as u64 && found == *content);
    }
}
