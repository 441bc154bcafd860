//! A folder of before the database: its layout is written here byte for byte, as a parent of
//! then left it.

use std::fs;
use std::path::Path;

use super::*;

fn leave_files(root: &Path) {
    for (id, state) in [(1, true), (2, false)] {
        let folder = root.join("rounds").join(round(id).to_string());
        fs::create_dir_all(folder.join("acceptances")).unwrap();
        fs::create_dir_all(folder.join("uploads")).unwrap();
        if state {
            fs::write(folder.join("state.json"), b"{}").unwrap();
            fs::write(folder.join("closing.cbor"), b"closing").unwrap();
            fs::write(folder.join("receipt.cbor"), b"receipt").unwrap();
            fs::write(folder.join("aggregate.bin"), b"aggregate").unwrap();
        }
        fs::write(folder.join("evidence.cbor"), b"evidence").unwrap();
        fs::write(folder.join("abort-receipt.cbor"), b"aborted").unwrap();
        for number in [3, 1, 2] {
            let name = format!("{}.cbor", client(number));
            fs::write(folder.join("acceptances").join(name), [number]).unwrap();
        }
        let name = format!("{}.upload", client(1));
        fs::write(folder.join("uploads").join(name), b"upload").unwrap();
    }
    fs::create_dir_all(root.join("temporary")).unwrap();
    fs::write(root.join("lock"), b"").unwrap();
}

/// Round 1 whole; round 2 without a state, as one that was cut while it opened.
async fn assert_whole(storage: &dyn Storage, receipt: &[u8]) {
    assert_eq!(storage.rounds().await.unwrap(), [round(1)]);
    for (record, value) in [
        (Record::State, &b"{}"[..]),
        (Record::Closing, b"closing"),
        (Record::Receipt, receipt),
        (Record::Evidence, b"evidence"),
        (Record::AbortReceipt, b"aborted"),
    ] {
        let found = storage.record(round(1), record).await.unwrap();
        assert_eq!(found.unwrap(), value, "{record:?}");
    }
    for id in [1, 2] {
        let expected: Vec<_> = (1..4).map(|id| (client(id), vec![id])).collect();
        assert_eq!(acceptances(storage, round(id)).await, expected);
        let upload = read_blob(storage, round(id), Blob::Upload(client(1))).await;
        assert_eq!(upload.unwrap(), b"upload");
    }
    let aggregate = read_blob(storage, round(1), Blob::Aggregate).await;
    assert_eq!(aggregate.unwrap(), b"aggregate");
}

fn record_files(root: &Path) -> usize {
    let folder = root.join("rounds").join(round(1).to_string());
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.retain(|name| name != "uploads" && name != "aggregate.bin");
    names.len()
}

#[tokio::test]
async fn a_folder_of_files_is_taken_in_once_and_its_files_go() {
    let folder = tempfile::tempdir().unwrap();
    leave_files(folder.path());
    for _ in 0..2 {
        let storage = Embedded::open(folder.path()).unwrap();
        assert_whole(&storage, b"receipt").await;
        assert_eq!(record_files(folder.path()), 0);
    }
}

#[tokio::test]
async fn an_import_that_was_cut_is_done_again_and_overwrites_nothing_newer() {
    let folder = tempfile::tempdir().unwrap();
    leave_files(folder.path());
    {
        let storage = Embedded::open(folder.path()).unwrap();
        let newer = b"newer".to_vec();
        storage.put(round(1), Record::Receipt, newer).await.unwrap();
    }
    // Killed after the commit and before the files were gone: all of them are still there.
    leave_files(folder.path());
    {
        let storage = Embedded::open(folder.path()).unwrap();
        assert_whole(&storage, b"newer").await;
    }
    // Killed half-way through the removal.
    let acceptances = folder.path().join("rounds").join(round(1).to_string());
    fs::create_dir_all(acceptances.join("acceptances")).unwrap();
    fs::write(acceptances.join("state.json"), b"older").unwrap();
    let storage = Embedded::open(folder.path()).unwrap();
    assert_whole(&storage, b"newer").await;
    assert_eq!(record_files(folder.path()), 0);
}
