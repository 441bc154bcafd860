//! What only the folder does.

use std::fs;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_store_conforms() {
    conformance::conforms(&tempfile::tempdir().unwrap()).await;
}

#[test]
fn the_embedded_store_agrees_with_a_plain_model() {
    model::agrees_with_the_model(24, || tempfile::tempdir().unwrap());
}

#[tokio::test]
async fn what_a_kill_left_half_written_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let blob = Blob::Upload(client(1));
    {
        let storage = Embedded::open(folder.path()).unwrap();
        write_blob(&storage, round(1), blob, vec![7; LARGE]).await;
    }
    fs::write(folder.path().join("temporary").join("99"), b"half").unwrap();
    let stray = folder.path().join("rounds").join(round(1).to_string());
    fs::write(stray.join("uploads").join("stray"), b"not ours").unwrap();

    let storage = Embedded::open(folder.path()).unwrap();
    assert_eq!(files_in(&folder.path().join("temporary")), 0);
    assert_eq!(storage.uploads(round(1)).await.unwrap(), [client(1)]);
    let kept = read_blob(&storage, round(1), blob).await;
    assert_eq!(kept.unwrap(), vec![7; LARGE]);
}

#[tokio::test]
async fn a_small_blob_is_a_row_and_a_large_one_a_file_and_never_both() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Embedded::open(folder.path()).unwrap();
    let uploads = folder.path().join("rounds").join(round(1).to_string());
    let uploads = uploads.join("uploads");
    let blob = Blob::Upload(client(1));
    for bytes in [1, 32 << 10, (32 << 10) + 1, LARGE, 0, 5] {
        write_blob(&storage, round(1), blob, vec![9; bytes]).await;
        let small = bytes <= 32 << 10;
        let files = fs::read_dir(&uploads).map_or(0, Iterator::count);
        assert_eq!(
            (rows(folder.path()), files),
            (usize::from(small), usize::from(!small))
        );
        assert_eq!(storage.uploads(round(1)).await.unwrap(), [client(1)]);
        let stored = storage.blob(round(1), blob).await.unwrap().unwrap();
        assert_eq!(stored.bytes, bytes as u64);
    }
}

/// A crash between a row's commit and the removal of the file before it.
#[tokio::test]
async fn of_a_blob_that_a_kill_left_in_both_the_file_is_it() {
    let folder = tempfile::tempdir().unwrap();
    let blob = Blob::Upload(client(1));
    {
        let storage = Embedded::open(folder.path()).unwrap();
        write_blob(&storage, round(1), blob, vec![1; LARGE]).await;
    }
    let row = "INSERT INTO blobs SELECT ?1, 'upload', ?2, x'02'";
    let both = || {
        let database = rusqlite::Connection::open(folder.path().join("rounds.db")).unwrap();
        let ids = (round(1), client(1));
        let ids = rusqlite::params![ids.0.as_bytes(), ids.1.as_bytes()];
        assert_eq!(database.execute(row, ids).unwrap(), 1);
    };
    both();
    let storage = Embedded::open(folder.path()).unwrap();
    assert_eq!(storage.uploads(round(1)).await.unwrap(), [client(1)]);
    let found = read_blob(&storage, round(1), blob).await;
    assert_eq!(found.unwrap(), vec![1; LARGE]);
    // Whatever comes next, the one that was hidden does not come to light.
    write_blob(&storage, round(1), blob, vec![3; LARGE]).await;
    assert_eq!(rows(folder.path()), 0);
    both();
    write_blob(&storage, round(1), blob, vec![4]).await;
    assert_eq!(read_blob(&storage, round(1), blob).await.unwrap(), [4]);
    write_blob(&storage, round(1), blob, vec![3; LARGE]).await;
    both();
    storage.remove_blob(round(1), blob).await.unwrap();
    assert!(storage.blob(round(1), blob).await.unwrap().is_none());
    assert!(storage.uploads(round(1)).await.unwrap().is_empty());
    assert_eq!(rows(folder.path()), 0);
}

/// Two senders of one blob, small and large: whichever was last, one of them is there, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn small_and_large_writers_of_one_blob_leave_one_of_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Embedded::open(folder.path()).unwrap();
    for turn in 0..60 {
        let blob = Blob::Upload(client(turn));
        let writers: Vec<_> = [5, LARGE, 6, LARGE + 1]
            .map(|bytes| {
                let storage = storage.clone();
                tokio::spawn(async move {
                    write_blob(&storage, round(1), blob, vec![1; bytes]).await;
                })
            })
            .into();
        for writer in writers {
            writer.await.unwrap();
            // What one has written is there from then on, or another's.
            let found = read_blob(&storage, round(1), blob).await.unwrap();
            assert!(
                [5, LARGE, 6, LARGE + 1].contains(&found.len()),
                "turn {turn}"
            );
        }
    }
    assert_eq!(storage.uploads(round(1)).await.unwrap().len(), 60);
}

/// The tables of a parent that kept all blobs as files.
#[tokio::test]
async fn a_database_of_before_small_blobs_gets_their_table() {
    let folder = tempfile::tempdir().unwrap();
    {
        let storage = Embedded::open(folder.path()).unwrap();
        storage.put(round(1), Record::State, vec![1]).await.unwrap();
        write_blob(&storage, round(1), Blob::Aggregate, vec![2; LARGE]).await;
    }
    let database = rusqlite::Connection::open(folder.path().join("rounds.db")).unwrap();
    let before = "DROP TABLE blobs; PRAGMA user_version = 1;";
    database.execute_batch(before).unwrap();
    drop(database);
    // A small blob of then.
    let files = folder.path().join("rounds").join(round(1).to_string());
    fs::write(files.join("masked-sum.bin"), b"small").unwrap();
    for _ in 0..2 {
        let storage = Embedded::open(folder.path()).unwrap();
        assert_eq!(storage.rounds().await.unwrap(), [round(1)]);
        let aggregate = read_blob(&storage, round(1), Blob::Aggregate).await;
        assert_eq!(aggregate.unwrap(), vec![2; LARGE]);
        let sum = read_blob(&storage, round(1), Blob::MaskedSum).await;
        assert_eq!(sum.unwrap(), b"small");
        write_blob(&storage, round(1), Blob::Upload(client(1)), vec![3]).await;
        assert_eq!(rows(folder.path()), 1);
    }
}

fn rows(folder: &std::path::Path) -> usize {
    let database = rusqlite::Connection::open(folder.join("rounds.db")).unwrap();
    let count = "SELECT count(*) FROM blobs";
    let count: i64 = database.query_row(count, [], |row| row.get(0)).unwrap();
    count as usize
}

/// A blob that is a file.
const LARGE: usize = 40_000;

#[tokio::test]
async fn an_abandoned_writer_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Embedded::open(folder.path()).unwrap();
    let mut writer = storage.write_blob(round(1), Blob::Aggregate).await.unwrap();
    writer.write(&[1; 100_000]).unwrap();
    assert_eq!(files_in(&folder.path().join("temporary")), 1);
    drop(writer);
    assert_eq!(files_in(&folder.path().join("temporary")), 0);
}

#[tokio::test]
async fn a_folder_belongs_to_one_parent() {
    let folder = tempfile::tempdir().unwrap();
    let first = Embedded::open(folder.path()).unwrap();
    assert!(matches!(
        Embedded::open(folder.path()),
        Err(StorageError::Locked(_))
    ));
    drop(first);
    assert!(Embedded::open(folder.path()).is_ok());
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_made_before_the_folder_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Embedded::open(folder.path()).unwrap();
    for count in 0..5_000_u16 {
        let value = count.to_be_bytes().to_vec();
        drop(storage.put(round(1), Record::State, value));
    }
    drop(storage);
    let database = rusqlite::Connection::open(folder.path().join("rounds.db")).unwrap();
    let found: Vec<u8> = database
        .query_row("SELECT value FROM records", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, 4_999_u16.to_be_bytes());
}

#[tokio::test]
async fn changes_that_wait_for_each_other_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Embedded::open(folder.path()).unwrap();
    let other = rusqlite::Connection::open(folder.path().join("rounds.db")).unwrap();
    // While another program writes, nothing is committed.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = commits_in_the_log(folder.path());
    let puts: Vec<_> = (0..250)
        .map(|id| storage.put(round(1), Record::Acceptance(client(id)), vec![id]))
        .collect();
    other.execute_batch("ROLLBACK").unwrap();
    for done in futures_util::future::join_all(puts).await {
        done.unwrap();
    }
    assert_eq!(acceptances(&storage, round(1)).await.len(), 250);
    // The first goes alone; whatever came meanwhile goes with the second.
    let commits = commits_in_the_log(folder.path()) - before;
    assert!((1..=3).contains(&commits), "{commits} commits");
}

/// <https://sqlite.org/fileformat2.html#the_write_ahead_log>: a frame that ends a transaction
/// has the database's size in pages, others have zero.
fn commits_in_the_log(folder: &std::path::Path) -> usize {
    let log = fs::read(folder.join("rounds.db-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    let salts = &log[16..24];
    log[32..]
        .chunks_exact(24 + page)
        .filter(|frame| &frame[8..16] == salts && frame[4..8] != [0; 4])
        .count()
}

#[test]
fn a_database_of_another_program_or_a_later_parent_is_left_alone() {
    let pragmas = [
        "application_id = 7",
        "user_version = 2",
        "user_version = 3",
        "user_version = 0",
    ];
    for (i, pragma) in pragmas.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rounds.db");
        if i == 2 {
            drop(Embedded::open(folder.path()).unwrap());
        }
        let connection = rusqlite::Connection::open(&path).unwrap();
        let statements = format!("PRAGMA {pragma}; CREATE TABLE theirs (one INTEGER);");
        connection.execute_batch(&statements).unwrap();
        drop(connection);
        let before = fs::read(&path).unwrap();
        let error = Embedded::open(folder.path()).map(drop).unwrap_err();
        match i {
            2 => assert!(matches!(error, StorageError::Version { found: 3, .. })),
            _ => assert!(matches!(error, StorageError::Foreign(_)), "{error}"),
        }
        assert!(fs::read(&path).unwrap() == before, "{pragma}");
    }
}

#[test]
fn a_damaged_database_is_named_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rounds.db");
    fs::write(&path, [7; 8192]).unwrap();
    let error = Embedded::open(folder.path()).map(drop).unwrap_err();
    assert!(matches!(error, StorageError::Sql { .. }), "{error}");
    assert!(error.to_string().contains("rounds.db"));
    assert_eq!(fs::read(&path).unwrap(), [7; 8192]);
}

fn files_in(folder: &std::path::Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}
