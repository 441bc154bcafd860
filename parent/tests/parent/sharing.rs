//! Two parents on one database and bucket, and one enclave: against the servers of
//! `parent/tests/servers/with.sh`. Time passes by statements to the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use sealsum_parent::{
    EnclaveAddress, Parent, Record, Storage, StorageError, StorageSettings, router,
};
use sealsum_protocol::messages::OpenRound;
use sealsum_protocol::{Command, Intake, OpeningId, Reply, RoundId, canonical};
use tower::ServiceExt as _;

use crate::fake_enclave::Fault;
use crate::stage::{Contribution, DIMENSION, Stage, contribution_path, numbered};

/// What they share.
struct Shared {
    folder: tempfile::TempDir,
    database: String,
    administration: tokio_postgres::Client,
}

fn variable(name: &str) -> String {
    let told = std::env::var(name);
    told.unwrap_or_else(|_| panic!("{name} is not set: run parent/tests/servers/with.sh"))
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    client
}

impl Shared {
    async fn new() -> Self {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("s{}_{number}", std::process::id());
        let url = variable("SEALSUM_TEST_DATABASE");
        let create = format!("CREATE DATABASE {name}");
        connect(&url).await.batch_execute(&create).await.unwrap();
        // The bucket is the same for all; each test has its part of it.
        let s3 = variable("SEALSUM_TEST_S3");
        let address = s3.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let put = format!(
            "PUT /rounds HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        std::io::Write::write_all(&mut stream, put.as_bytes()).unwrap();
        std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "test").unwrap();
        let database = url.replace("/postgres", &format!("/{name}"));
        Self {
            administration: connect(&database).await,
            folder,
            database,
        }
    }

    /// A parent on it, beside the enclave of `stage`: it renews its leases, and looks for others', at
    /// every fourth of `lease` seconds.
    async fn join(&self, stage: &mut Stage, name: &str, lease: u64, enclave: &str) {
        let storage = self.storage(name, lease).await;
        let mut config = stage.config();
        config.enclave = EnclaveAddress::Tcp(enclave.to_owned());
        stage.parent = Some(Parent::start_on(config, storage).await.unwrap());
    }

    /// What a parent of this name keeps its rounds in.
    async fn storage(&self, name: &str, lease: u64) -> Arc<dyn Storage> {
        let folder = self.folder.path().display();
        let settings = format!(
            r#"
            kind = "shared"
            database = "{}"
            bucket = "s3://rounds/{}"
            endpoint = "{}"
            region = "eu-central-1"
            access_key_id_file = "{folder}/key"
            secret_access_key_file = "{folder}/key"
            advertise = "http://{name}.example:8480"
            advertise_operator = "http://{name}.internal:8481/"
            spool = "{folder}/spool"
            lease_seconds = {lease}
            "#,
            self.database,
            self.database.rsplit('/').next().unwrap(),
            variable("SEALSUM_TEST_S3"),
        );
        let settings: StorageSettings = toml::from_str(&settings).unwrap();
        settings.open().await.unwrap()
    }

    /// The first stands still for as long as a test takes, the second looks around all the time.
    async fn two_parents() -> (Self, Stage, Stage) {
        let shared = Self::new().await;
        let (mut one, mut two) = (Stage::new().await, Stage::new().await);
        let enclave = one.enclave.address.to_string();
        shared.join(&mut one, "one", 3600, &enclave).await;
        shared.join(&mut two, "two", 1, &enclave).await;
        (shared, one, two)
    }

    /// Whoever stands still has lost its leases.
    async fn time_passes(&self) {
        let end = "UPDATE sealsum.leases SET expires = '-infinity' WHERE url LIKE '%one%'";
        self.administration.batch_execute(end).await.unwrap();
    }

    async fn is_at(&self, round: RoundId, name: &str) {
        let query = "SELECT count(*) FROM sealsum.leases WHERE round_id = $1 AND url LIKE $2";
        let (id, url) = (round.as_bytes().as_slice(), format!("%{name}%"));
        for _ in 0..400 {
            let row = self.administration.query_one(query, &[&id, &url]).await;
            if row.unwrap().get::<_, i64>(0) == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the round never came to {name}");
    }
}

/// Status and place.
async fn sent_on(stage: &Stage, method: Method, path: &str) -> (StatusCode, String) {
    let rounds = stage.parent.as_ref().unwrap().rounds();
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    let response = router(rounds.clone()).oneshot(request).await.unwrap();
    let location = response.headers().get(header::LOCATION);
    let location = location.map_or("", |value| value.to_str().unwrap());
    (response.status(), location.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_of_a_parent_that_is_gone_goes_on_at_another_with_all_it_acknowledged() {
    for intake in [Intake::Stream, Intake::Presum] {
        let (shared, one, two) = Shared::two_parents().await;
        let round = one.open(intake, DIMENSION).await;
        one.put_all(round, [1, 2]).await;
        shared.time_passes().await;
        shared.is_at(round, "two").await;
        two.becomes(round, "collecting").await;
        // The first believes that it has the round still, and finds out before it acknowledges.
        let late = Contribution::new(round, 3, DIMENSION);
        one.put(&late).await.refused_with(503, "elsewhere");
        let (status, place) = sent_on(&one, Method::GET, &format!("/v1/rounds/{round}")).await;
        assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(place, format!("http://two.example:8480/v1/rounds/{round}"));

        two.put_all(round, [3]).await;
        let closed = two.post(&format!("/v1/rounds/{round}/close")).await;
        assert_eq!(closed.json()["cohort_size"], 3, "{:?}", closed.json());
        // What is over is served by either, the same.
        for stage in [&one, &two] {
            stage.assert_aggregate(round, [1, 2, 3]).await;
        }
        let receipt = format!("/v1/rounds/{round}/receipt");
        assert_eq!(one.get(&receipt).await.body, two.get(&receipt).await.body);
        assert_eq!(one.phase(round).await, "released");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_without_the_lease_sends_clients_and_operator_to_the_one_that_has_it() {
    let (_shared, one, two) = Shared::two_parents().await;
    let round = one.open(Intake::Stream, DIMENSION).await;
    let path = format!("/v1/rounds/{round}");
    let client = Contribution::new(round, 1, DIMENSION).header.client;
    let offer = format!("{path}/offer?nonce={round}");
    let contribution = contribution_path(&round, &client);
    for (method, path, base) in [
        (Method::GET, &path, "http://one.example:8480"),
        (Method::GET, &offer, "http://one.example:8480"),
        (Method::PUT, &contribution, "http://one.example:8480"),
        (
            Method::POST,
            &format!("{path}/close"),
            "http://one.internal:8481",
        ),
        (
            Method::POST,
            &format!("{path}/abort"),
            "http://one.internal:8481",
        ),
    ] {
        let (status, place) = sent_on(&two, method, path).await;
        assert_eq!(status, StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(place, format!("{base}{path}"));
    }
    let unknown = format!("/v1/rounds/{client}/receipt");
    two.get(&unknown).await.refused_with(404, "unknown_round");
    // Neither did anything of it.
    assert_eq!(one.phase(round).await, "collecting");
    let list = two.get("/v1/rounds").await.json();
    assert_eq!(list["rounds"][0]["round_id"], round.to_string());

    let task = format!("/v1/tasks/triage/offer?nonce={round}");
    let (status, place) = sent_on(&two, Method::GET, &task).await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(place, format!("http://one.example:8480{task}"));
    // A newer one of its own comes first.
    tokio::time::sleep(Duration::from_millis(10)).await;
    let newer = two.open(Intake::Stream, DIMENSION).await;
    assert_ne!(newer, round);
    assert_eq!(two.get(&task).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_every_parents_rounds_page_after_page() {
    let (_shared, one, two) = Shared::two_parents().await;
    let mut ids = Vec::new();
    for stage in [&one, &two, &one, &two, &one] {
        ids.push(stage.open(Intake::Stream, DIMENSION).await.to_string());
        wait_for_list(&two, &ids).await;
    }
    let (mut found, mut query) = (Vec::new(), String::new());
    loop {
        let page = two.get(&format!("/v1/rounds?limit=2{query}")).await.json();
        let rounds = page["rounds"].as_array().unwrap();
        assert!((1..=2).contains(&rounds.len()), "{page}");
        let id = |round: &serde_json::Value| round["round_id"].as_str().unwrap().to_owned();
        found.extend(rounds.iter().map(id));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("&after={next}");
        // The other one knows where that is, too.
        let elsewhere = one.get(&format!("/v1/rounds?{}", &query[1..])).await.json();
        let elsewhere = elsewhere["rounds"].as_array().unwrap().iter().map(id);
        assert!(
            elsewhere
                .collect::<Vec<_>>()
                .iter()
                .all(|id| !found.contains(id))
        );
    }
    ids.sort();
    found.sort();
    assert_eq!(found, ids);
}

async fn wait_for_list(stage: &Stage, ids: &[String]) {
    for _ in 0..400 {
        let list = stage.get("/v1/rounds").await.json();
        if list["rounds"].as_array().unwrap().len() == ids.len() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("a neighbour's round is not listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_one_parent_removes_is_gone_at_the_other() {
    let (shared, one, mut two) = Shared::two_parents().await;
    let round = one.open(Intake::Presum, DIMENSION).await;
    let other = one.open(Intake::Presum, DIMENSION).await;
    one.put_all(round, [1, 2, 3]).await;
    one.post(&format!("/v1/rounds/{round}/close")).await;
    two.assert_aggregate(round, [1, 2, 3]).await;
    two.ends.keep = Some(Duration::ZERO);
    two.parent.take().unwrap().shutdown().await;
    let enclave = one.enclave.address.to_string();
    shared.join(&mut two, "two", 1, &enclave).await;
    let query = "SELECT (SELECT count(*) FROM sealsum.records WHERE round_id = $1)
                      + (SELECT count(*) FROM sealsum.blobs WHERE round_id = $1)
                      + (SELECT count(*) FROM sealsum.leases WHERE round_id = $1)";
    let id = round.as_bytes().as_slice();
    let mut left = 1;
    for _ in 0..400 {
        let row = shared.administration.query_one(query, &[&id]).await;
        left = row.unwrap().get::<_, i64>(0);
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(left, 0);
    // The first has not looked since, and says nothing that is not so.
    for below in ["receipt", "aggregate", "evidence"] {
        for stage in [&one, &two] {
            let answer = stage.get(&format!("/v1/rounds/{round}/{below}")).await;
            answer.refused_with(404, "unknown_round");
        }
    }
    let client = Contribution::new(round, 1, DIMENSION).header.client;
    let proof = format!("/v1/rounds/{round}/proofs/{client}");
    one.get(&proof).await.refused_with(404, "unknown_round");
    // What is in progress at another one stays with it.
    one.put_all(other, [1, 2, 3]).await;
    assert_eq!(one.phase(other).await, "collecting");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_its_parent_did_not_end_is_ended_by_another() {
    for intake in [Intake::Stream, Intake::Presum] {
        let (shared, one, two) = Shared::two_parents().await;
        let round = one.open(intake, DIMENSION).await;
        one.put_all(round, [1, 2, 3]).await;
        one.enclave.script(|command| match command {
            Command::ReleaseBlock(release) if release.index == 1 => Some(Fault::HangUpBefore),
            _ => None,
        });
        let cut = one.post(&format!("/v1/rounds/{round}/close")).await;
        cut.refused_with(503, "enclave_unreachable");
        one.enclave.script(|_| None);
        shared.time_passes().await;
        // A round that is over has no lease.
        for _ in 0..400 {
            let phase = two.get("/v1/rounds").await.json();
            if phase["rounds"][0]["phase"] == "released" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        two.assert_aggregate(round, [1, 2, 3]).await;
        let closed = one.post(&format!("/v1/rounds/{round}/close")).await;
        assert!(closed.status == StatusCode::OK || closed.code() == "elsewhere");
        one.assert_aggregate(round, [1, 2, 3]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_ends_hands_its_rounds_over() {
    let (shared, mut one, two) = Shared::two_parents().await;
    let round = one.open(Intake::Presum, DIMENSION).await;
    one.put_all(round, [1, 2]).await;
    one.parent.take().unwrap().shutdown().await;
    shared.is_at(round, "two").await;
    two.put_all(round, [3]).await;
    let closed = two.post(&format!("/v1/rounds/{round}/close")).await;
    assert_eq!(closed.json()["cohort_size"], 3);
    // And one that starts finds what is over, and what another one has.
    let next = two.open(Intake::Stream, DIMENSION).await;
    let enclave = one.enclave.address.to_string();
    shared.join(&mut one, "one", 3600, &enclave).await;
    one.assert_aggregate(round, [1, 2, 3]).await;
    let (status, place) = sent_on(&one, Method::GET, &format!("/v1/rounds/{next}")).await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(place, format!("http://two.example:8480/v1/rounds/{next}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_round_opens_once_whoever_is_gone() {
    let (shared, one, two) = Shared::two_parents().await;
    let params = canonical::encode(&numbered(9, Intake::Stream, DIMENSION, 6));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // Both look at the clock: it is due once the second one has it, and both might open it.
    let due = now.unwrap().as_secs() + 3;
    let body = serde_json::json!({
        "params": hex::encode(params),
        "opens": { "at": due },
        "closing": {},
    });
    let body = serde_json::to_vec(&body).unwrap();
    let scheduled = one.call(Method::POST, "/v1/schedule", body).await;
    assert!(scheduled.status.is_success(), "{:?}", scheduled.json());
    let id = scheduled.json()["schedule_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/schedule/{id}");
    let (status, place) = sent_on(&two, Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(place, format!("http://one.internal:8481{path}"));
    shared.time_passes().await;
    shared.is_at(id.parse().unwrap(), "two").await;
    for _ in 0..400 {
        let list = two.get("/v1/schedule").await.json();
        if list["scheduled"][0]["schedule_id"] == id {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let mut opened = 0;
    for _ in 0..400 {
        opened = one.enclave.count("open_round");
        if opened > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    // Time enough for the first to try as well.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!((opened, one.enclave.count("open_round")), (1, 1));
    let rounds = two.get("/v1/rounds").await.json();
    let round: RoundId = rounds["rounds"][0]["round_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (status, place) = sent_on(&one, Method::GET, &format!("/v1/rounds/{round}")).await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert!(place.starts_with("http://two.example:8480"), "{place}");
    let queue = one.get("/v1/schedule").await.json();
    assert_eq!(queue["scheduled"], serde_json::json!([]));
}

/// The first parent stands still in the middle of opening a round, and is taken for gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_opening_of_a_parent_that_is_gone_is_settled_by_another() {
    let (shared, one, two) = Shared::two_parents().await;
    let opening = RoundId::new([9; 32]);
    let params = numbered(9, Intake::Stream, DIMENSION, 6);
    let gone = shared.storage("one", 3600).await;
    gone.hold(opening).await.unwrap();
    let record = canonical::encode(&params);
    gone.put(opening, Record::Opening, record).await.unwrap();
    let open = OpenRound {
        opening: OpeningId::new(*opening.as_bytes()),
        params,
    };
    let opened = one.enclave.state.lock().unwrap().open(open);
    let Ok(Reply::Opened(opened)) = opened else {
        panic!("not opened: {opened:?}")
    };
    let round = opened.binding.round_id();
    gone.hold(round).await.unwrap();
    gone.put(round, Record::Evidence, vec![1]).await.unwrap();
    // Nobody touches it while its parent has the lease.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(one.enclave.open_rounds(), 1);
    shared.time_passes().await;
    for _ in 0..400 {
        let left = gone.rounds_with(Record::Opening).await.unwrap();
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(one.enclave.open_rounds(), 0);
    for record in [Record::Opening, Record::Evidence] {
        assert!(gone.rounds_with(record).await.unwrap().is_empty());
    }
    // It goes on, and can't make a round of it any more.
    let late = gone.put(round, Record::State, vec![1]).await;
    assert!(matches!(late, Err(StorageError::Fenced(_))), "{late:?}");
    assert_eq!(
        two.get("/v1/rounds").await.json()["rounds"],
        serde_json::json!([])
    );
}
