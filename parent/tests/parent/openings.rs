//! An opening that is cut off, wherever it is, leaves no round in the enclave that nobody knows.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use sealsum_parent::{
    Blob, BlobWriter, Embedded, Parent, Pending, Record, Storage, StorageError, StoredBlob,
};
use sealsum_protocol::{
    ClientId, Command, Intake, OpeningId, Refusal, RoundId, SignedRoundParams, canonical,
};
use tokio::sync::Notify;

use crate::fake_enclave::Fault;
use crate::stage::{Answer, DIMENSION, Stage, numbered, params};

/// A stage whose parent is on a store that the test looks into.
async fn on(storage: Arc<dyn Storage>) -> Stage {
    let mut stage = Stage::new().await;
    stage.parent.take().unwrap().shutdown().await;
    start_on(&mut stage, storage).await;
    stage
}

async fn start_on(stage: &mut Stage, storage: Arc<dyn Storage>) {
    stage.parent = Some(Parent::start_on(stage.config(), storage).await.unwrap());
}

fn store() -> (tempfile::TempDir, Arc<Embedded>) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Embedded::open(folder.path()).unwrap();
    (folder, Arc::new(storage))
}

async fn post(stage: &Stage, params: &SignedRoundParams) -> Answer {
    let body = canonical::encode(params);
    stage.call(Method::POST, "/v1/rounds", body).await
}

fn presum() -> SignedRoundParams {
    params(Intake::Presum, DIMENSION)
}

async fn openings(storage: &dyn Storage) -> usize {
    let openings = storage.rounds_with(Record::Opening).await;
    openings.unwrap().len()
}

/// Waits until no opening is to be settled.
async fn settled(storage: &dyn Storage) {
    for _ in 0..800 {
        if openings(storage).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("an opening is not settled");
}

async fn listed(stage: &Stage) -> Vec<String> {
    let list = stage.get("/v1/rounds").await.json();
    let list = list["rounds"].as_array().unwrap();
    let phase = |round: &serde_json::Value| round["phase"].as_str().unwrap().to_owned();
    list.iter().map(phase).collect()
}

fn opening(command: &Command) -> Option<OpeningId> {
    match command {
        Command::OpenRound(open) => Some(open.opening),
        _ => None,
    }
}

/// The replies to the first so many openings are lost.
fn deaf_to(stage: &Stage, mut times: usize) {
    stage.enclave.script(move |command| {
        if opening(command).is_none() || times == 0 {
            return None;
        }
        times -= 1;
        Some(Fault::HangUpAfter)
    });
}

#[tokio::test]
async fn a_reply_that_was_missed_is_had_over_another_connection() {
    let (_folder, storage) = store();
    let stage = on(storage.clone()).await;
    deaf_to(&stage, 1);
    let answer = post(&stage, &presum()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(stage.enclave.count("open_round"), 2);
    assert_eq!(stage.enclave.open_rounds(), 1);
    assert_eq!(listed(&stage).await, ["collecting"]);
    assert_eq!(openings(&*storage).await, 0);
}

#[tokio::test]
async fn what_opened_without_an_answer_is_aborted_once_the_enclave_answers_again() {
    let (_folder, storage) = store();
    let stage = on(storage.clone()).await;
    // Both times that the request asks, and the first time that it is to be settled.
    deaf_to(&stage, 4);
    let answer = post(&stage, &presum()).await;
    answer.refused_with(503, "enclave_unreachable");
    settled(&*storage).await;
    assert_eq!(stage.enclave.open_rounds(), 0);
    assert_eq!(stage.enclave.count("abort"), 1);
    assert!(listed(&stage).await.is_empty());
    // The next is a round of its own.
    stage.open(Intake::Presum, DIMENSION).await;
    assert_eq!(stage.enclave.open_rounds(), 1);
}

#[tokio::test]
async fn a_round_that_can_not_be_put_on_offer_is_aborted_and_leaves_no_record() {
    let (_folder, storage) = store();
    let stage = on(storage.clone()).await;
    let mut failures = 1;
    stage.enclave.script(move |command| match command {
        Command::Attest(_) if failures > 0 => {
            failures -= 1;
            Some(Fault::Refuse(Refusal::WrongPhase {
                phase: sealsum_protocol::messages::Phase::Aborted,
            }))
        }
        _ => None,
    });
    let answer = post(&stage, &presum()).await;
    assert!(!answer.status.is_success());
    settled(&*storage).await;
    assert_eq!(stage.enclave.open_rounds(), 0);
    assert_eq!(stage.enclave.count("abort"), 1);
    assert!(listed(&stage).await.is_empty());
    for record in [Record::State, Record::Evidence, Record::ClosingRule] {
        assert!(storage.rounds_with(record).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_refused_opening_is_over_at_once_and_an_absent_enclave_begins_none() {
    let (_folder, storage) = store();
    let stage = on(storage.clone()).await;
    let limit = 64;
    stage.enclave.script(move |command| {
        let refusal = Refusal::TooManyRounds { limit };
        opening(command).map(|_| Fault::Refuse(refusal))
    });
    let answer = post(&stage, &presum()).await;
    answer.refused_with(503, "too_many_rounds");
    assert_eq!(openings(&*storage).await, 0);
    stage.enclave.stop();
    let answer = post(&stage, &presum()).await;
    answer.refused_with(503, "enclave_unreachable");
    assert_eq!(openings(&*storage).await, 0);
}

/// Dies, for whoever uses it, at one change of a record; or fails to remove one a few times.
struct Mortal {
    storage: Arc<Embedded>,
    dies_at: Option<Change>,
    died: Arc<Notify>,
    failures: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// A record that is not written any more.
    Before(Record),
    /// One that is.
    After(Record),
    /// One that is not removed any more.
    BeforeRemoving(Record),
}

impl Mortal {
    fn new(storage: &Arc<Embedded>, dies_at: Option<Change>, failures: usize) -> Arc<Self> {
        Arc::new(Self {
            storage: Arc::clone(storage),
            dies_at,
            died: Arc::default(),
            failures: AtomicUsize::new(failures),
        })
    }

    async fn pass(&self, change: Change) {
        if self.dies_at == Some(change) {
            self.died.notify_one();
            pending::<()>().await;
        }
    }
}

impl Storage for Mortal {
    fn rounds_with(&self, record: Record) -> Pending<'_, Vec<RoundId>> {
        self.storage.rounds_with(record)
    }

    fn put(&self, round: RoundId, record: Record, value: Vec<u8>) -> Pending<'_, ()> {
        Box::pin(async move {
            self.pass(Change::Before(record)).await;
            self.storage.put(round, record, value).await?;
            self.pass(Change::After(record)).await;
            Ok(())
        })
    }

    fn record(&self, round: RoundId, record: Record) -> Pending<'_, Option<Vec<u8>>> {
        self.storage.record(round, record)
    }

    fn remove(&self, round: RoundId, record: Record) -> Pending<'_, ()> {
        Box::pin(async move {
            self.pass(Change::BeforeRemoving(record)).await;
            let fails = |left: usize| left.checked_sub(1);
            let (set, read) = (Ordering::Relaxed, Ordering::Relaxed);
            if record == Record::Opening && self.failures.fetch_update(set, read, fails).is_ok() {
                return Err(StorageError::Stopped("the test's".into()));
            }
            self.storage.remove(round, record).await
        })
    }

    fn acceptances(
        &self,
        round: RoundId,
        after: Option<ClientId>,
    ) -> Pending<'_, Vec<(ClientId, Vec<u8>)>> {
        self.storage.acceptances(round, after)
    }

    fn uploads(&self, round: RoundId) -> Pending<'_, Vec<ClientId>> {
        self.storage.uploads(round)
    }

    fn write_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Box<dyn BlobWriter>> {
        self.storage.write_blob(round, blob)
    }

    fn blob(&self, round: RoundId, blob: Blob) -> Pending<'_, Option<StoredBlob>> {
        self.storage.blob(round, blob)
    }

    fn remove_blob(&self, round: RoundId, blob: Blob) -> Pending<'_, ()> {
        self.storage.remove_blob(round, blob)
    }

    fn remove_uploads(&self, round: RoundId) -> Pending<'_, ()> {
        self.storage.remove_uploads(round)
    }

    fn remove_round(&self, round: RoundId) -> Pending<'_, ()> {
        self.storage.remove_round(round)
    }
}

/// Asks for a round of a parent that is killed at this change, and starts the next one.
async fn killed_at(change: Change) -> (Stage, Arc<Embedded>, tempfile::TempDir) {
    let (folder, storage) = store();
    let mortal = Mortal::new(&storage, Some(change), 0);
    let mut stage = on(mortal.clone()).await;
    let params = presum();
    tokio::select! {
        answer = post(&stage, &params) => panic!("{change:?}: {:?}", answer.status),
        () = mortal.died.notified() => {}
    }
    start_on(&mut stage, storage.clone()).await;
    settled(&*storage).await;
    (stage, storage, folder)
}

#[tokio::test]
async fn a_parent_killed_before_its_round_is_stored_leaves_none() {
    for (change, asked) in [
        (Change::Before(Record::Opening), 0),
        // The enclave was not asked; the next start finds that out by asking.
        (Change::After(Record::Opening), 1),
        (Change::Before(Record::Evidence), 2),
        (Change::After(Record::Evidence), 2),
        (Change::Before(Record::State), 2),
    ] {
        let (stage, storage, _folder) = killed_at(change).await;
        assert_eq!(stage.enclave.count("open_round"), asked, "{change:?}");
        assert_eq!(stage.enclave.open_rounds(), 0, "{change:?}");
        assert!(listed(&stage).await.is_empty(), "{change:?}");
        let evidence = storage.rounds_with(Record::Evidence).await.unwrap();
        assert!(evidence.is_empty(), "{change:?}");
    }
}

#[tokio::test]
async fn a_parent_killed_once_its_round_is_stored_has_it() {
    for change in [
        Change::After(Record::State),
        Change::BeforeRemoving(Record::Opening),
    ] {
        let (stage, storage, _folder) = killed_at(change).await;
        assert_eq!(listed(&stage).await, ["collecting"], "{change:?}");
        assert_eq!(stage.enclave.open_rounds(), 1, "{change:?}");
        assert_eq!(stage.enclave.count("abort"), 0, "{change:?}");
        let round = storage.rounds().await.unwrap()[0];
        stage.put_all(round, [1, 2, 3]).await;
        stage.post(&format!("/v1/rounds/{round}/close")).await;
        stage.assert_aggregate(round, [1, 2, 3]).await;
    }
}

#[tokio::test]
async fn an_enclave_that_came_after_the_opening_keeps_nothing_of_it() {
    let (_folder, storage) = store();
    let mut stage = on(storage.clone()).await;
    // As a parent that was killed before the enclave was replaced.
    let id = RoundId::new([9; 32]);
    let params = canonical::encode(&presum());
    stage.parent.take().unwrap().shutdown().await;
    storage.put(id, Record::Opening, params).await.unwrap();
    start_on(&mut stage, storage.clone()).await;
    settled(&*storage).await;
    assert_eq!(stage.enclave.count("open_round"), 1);
    assert_eq!(stage.enclave.open_rounds(), 0);
}

#[tokio::test]
async fn what_is_settled_opens_nothing_more_while_its_record_stays() {
    let (_folder, storage) = store();
    let stage = on(Mortal::new(&storage, None, 2)).await;
    deaf_to(&stage, 2);
    let answer = post(&stage, &presum()).await;
    answer.refused_with(503, "enclave_unreachable");
    settled(&*storage).await;
    assert_eq!(stage.enclave.state.lock().unwrap().opened, 1);
    assert_eq!(stage.enclave.open_rounds(), 0);

    // Nor is a round aborted that opened well.
    let stage = on(Mortal::new(&storage, None, 2)).await;
    stage.open(Intake::Presum, DIMENSION).await;
    assert_eq!(openings(&*storage).await, 1);
    settled(&*storage).await;
    assert_eq!(stage.enclave.state.lock().unwrap().opened, 1);
    assert_eq!(stage.enclave.open_rounds(), 1);
    assert_eq!(listed(&stage).await, ["collecting"]);
}

#[tokio::test]
async fn a_damaged_record_is_left_alone_and_others_are_settled() {
    let (_folder, storage) = store();
    let mut stage = on(storage.clone()).await;
    stage.parent.take().unwrap().shutdown().await;
    let (damaged, sound) = (RoundId::new([1; 32]), RoundId::new([2; 32]));
    let params = canonical::encode(&presum());
    for (id, record) in [(damaged, params[1..].to_vec()), (sound, params)] {
        storage.put(id, Record::Opening, record).await.unwrap();
    }
    start_on(&mut stage, storage.clone()).await;
    for _ in 0..800 {
        if openings(&*storage).await == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let left = storage.rounds_with(Record::Opening).await.unwrap();
    assert_eq!(left, [damaged]);
    assert_eq!(stage.enclave.open_rounds(), 0);
}

/// The round that nobody knows takes the memory that the schedule's next try needs.
#[tokio::test]
async fn a_scheduled_round_waits_for_the_memory_of_its_own_first_try() {
    let (_folder, storage) = store();
    let stage = on(storage.clone()).await;
    let refused = Arc::new(AtomicUsize::new(0));
    let (mut first, refusals) = (None, Arc::clone(&refused));
    stage.enclave.script(move |command| {
        let asked = opening(command)?;
        if *first.get_or_insert(asked) == asked {
            // It is there, and its reply comes through once the next try was refused.
            let over = refusals.load(Ordering::Relaxed) > 0;
            return (!over).then_some(Fault::HangUpAfter);
        }
        (refusals.fetch_add(1, Ordering::Relaxed) == 0).then_some(Fault::Refuse(Refusal::Memory {
            needed: 2,
            available: 1,
        }))
    });
    let request = serde_json::json!({
        "params": hex::encode(canonical::encode(&numbered(1, Intake::Presum, DIMENSION, 6))),
        "opens": "after_previous",
        "closing": {},
    });
    let body = request.to_string().into_bytes();
    let scheduled = stage.call(Method::POST, "/v1/schedule", body).await;
    assert_eq!(scheduled.status, StatusCode::CREATED);
    for _ in 0..800 {
        if !listed(&stage).await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    settled(&*storage).await;
    assert_eq!(listed(&stage).await, ["collecting"]);
    assert!(refused.load(Ordering::Relaxed) > 0, "it never was refused");
    assert_eq!(stage.enclave.open_rounds(), 1);
}
