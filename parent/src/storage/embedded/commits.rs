//! Changes to the database, by one thread: those that wait while it commits go into the next
//! commit together, so that many share one fsync and one alone waits for nobody.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sealsum_protocol::RoundId;
use tokio::sync::oneshot;

use super::folder::failed;
use crate::storage::keys::UPLOAD;
use crate::storage::{Blob, Pending, Record, StorageError};

/// A change of one record, of one small blob, or of what a round has of either.
pub(super) enum Change {
    Put(Record, Vec<u8>),
    Remove(Record),
    PutBlob(Blob, Vec<u8>),
    RemoveBlob(Blob),
    RemoveRecords,
    RemoveBlobs,
    /// Of many, the next ones.
    RemoveUploads,
}

/// The thread that commits. Dropped, it ends what it took first.
pub(super) struct Commits {
    path: PathBuf,
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    round: RoundId,
    change: Change,
    done: oneshot::Sender<Result<(), Arc<rusqlite::Error>>>,
}

impl Commits {
    pub(super) fn start(connection: Connection, path: &Path) -> Result<Self, StorageError> {
        let (jobs, taken) = channel();
        let thread = std::thread::Builder::new()
            .name("commits".to_owned())
            .spawn(move || commit_all(connection, &taken))
            .map_err(failed("start a thread for", path))?;
        Ok(Self {
            path: path.to_owned(),
            jobs: Mutex::new(Some(jobs)),
            thread: Some(thread),
        })
    }

    /// Durable when it is done. It is done even if nobody waits for it, and in the order of calls.
    pub(super) fn change(&self, round: RoundId, change: Change) -> Pending<'static, ()> {
        let (done, heard) = oneshot::channel();
        let job = Job {
            round,
            change,
            done,
        };
        // A thread that is gone drops the job, and with it the answer's sender.
        if let Some(jobs) = &*self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = jobs.send(job);
        }
        let path = self.path.clone();
        Box::pin(async move {
            match heard.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(source)) => Err(StorageError::Sql { path, source }),
                Err(_) => Err(StorageError::Stopped(path)),
            }
        })
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        self.jobs
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = self.thread.take() {
            // It panicked, then; whoever waited has been told.
            let _ = thread.join();
        }
    }
}

fn commit_all(mut connection: Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(TOGETHER - 1));
        let outcome = commit(&mut connection, &batch).map_err(Arc::new);
        for job in batch {
            let _ = job.done.send(outcome.clone());
        }
    }
}

/// All of them or none.
fn commit(connection: &mut Connection, batch: &[Job]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in batch {
        make(&transaction, job)?;
    }
    transaction.commit()
}

fn make(transaction: &Transaction<'_>, job: &Job) -> rusqlite::Result<()> {
    let round = job.round.as_bytes();
    match &job.change {
        Change::Put(record, value) => {
            let (kind, client) = record.key();
            transaction
                .prepare_cached(
                    "INSERT INTO records (kind, round_id, client, value) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET value = excluded.value",
                )?
                .execute(params![kind, round, client, value])
        }
        Change::Remove(record) => {
            let (kind, client) = record.key();
            transaction
                .prepare_cached(
                    "DELETE FROM records WHERE kind = ?1 AND round_id = ?2 AND client = ?3",
                )?
                .execute(params![kind, round, client])
        }
        Change::PutBlob(blob, content) => {
            let (kind, which) = blob.key();
            transaction
                .prepare_cached(
                    "INSERT INTO blobs (round_id, kind, which, content) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET content = excluded.content",
                )?
                .execute(params![round, kind, which, content])
        }
        Change::RemoveBlob(blob) => {
            let (kind, which) = blob.key();
            transaction
                .prepare_cached(
                    "DELETE FROM blobs WHERE round_id = ?1 AND kind = ?2 AND which = ?3",
                )?
                .execute(params![round, kind, which])
        }
        Change::RemoveRecords => Record::KINDS.iter().try_fold(0, |removed, kind| {
            let more = transaction
                .prepare_cached("DELETE FROM records WHERE kind = ?1 AND round_id = ?2")?
                .execute(params![kind, round])?;
            Ok(removed + more)
        }),
        Change::RemoveUploads => transaction
            .prepare_cached(
                "DELETE FROM blobs WHERE rowid IN
                     (SELECT rowid FROM blobs WHERE round_id = ?1 AND kind = ?2 LIMIT ?3)",
            )?
            .execute(params![round, UPLOAD, REMOVED_AT_ONCE]),
        Change::RemoveBlobs => transaction
            .prepare_cached("DELETE FROM blobs WHERE round_id = ?1")?
            .execute(params![round]),
    }
    .map(drop)
}

/// Uploads a commit: others wait while they are removed.
const REMOVED_AT_ONCE: u32 = 1024;
/// Changes a commit: enough that its fsync is a small part of it.
const TOGETHER: usize = 1024;
