//! One parent, one scripted enclave, and made-up clients.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use sealsum_parent::{
    Config, EnclaveAddress, Limits, Listener, OnShutdown, Parent, Patience, StorageSettings, router,
};
use sealsum_protocol::pack::pack;
use sealsum_protocol::{
    Acceptance, Admission, AggregationRule, BlockLayout, ClientId, Commitment, CommitmentBuilder,
    ContributionHeader, Digest, Intake, KemSuite, Noise, OperatorSigner, RingBits, RingVector,
    RoundId, RoundParams, RoundTerms, Rounding, Signed, SignedRoundParams, canonical, upload,
};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::fake_enclave::FakeEnclave;

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) enclave: FakeEnclave,
    pub(crate) parent: Option<Parent>,
    /// What the next parent is started with.
    pub(crate) ends: Ends,
}

/// How a parent ends, and when it gives up an enclave.
pub(crate) struct Ends {
    pub(crate) on_shutdown: OnShutdown,
    pub(crate) watch: Duration,
    pub(crate) lost_after: Duration,
    /// How long it keeps rounds that are over.
    pub(crate) keep: Option<Duration>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem's code, after a look at its form.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.content_type, "application/problem+json");
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        json["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn refused_with(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code));
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let mut stage = Self {
            folder: tempfile::tempdir().unwrap(),
            enclave: FakeEnclave::start("127.0.0.1:0".parse().unwrap()).await,
            parent: None,
            // Nothing happens unasked, and a restart leaves rounds as they are.
            ends: Ends {
                on_shutdown: OnShutdown::Keep,
                watch: HOUR,
                lost_after: HOUR,
                keep: None,
            },
        };
        stage.start_parent().await;
        stage
    }

    pub(crate) async fn start_parent(&mut self) {
        self.parent = Some(Parent::start(self.config()).await.unwrap());
    }

    pub(crate) fn config(&self) -> Config {
        let moment = Duration::from_millis(500);
        Config {
            clients: Listener::plain("127.0.0.1:0".parse().unwrap()),
            operator: None,
            operators: Vec::new(),
            enclave: EnclaveAddress::Tcp(self.enclave.address.to_string()),
            storage: StorageSettings::embedded(self.folder.path()),
            limits: Limits {
                body_piece: moment,
                shutdown: Duration::from_secs(5),
                enclave: Patience {
                    turn: Duration::from_secs(5),
                    connect: moment,
                    reply: moment,
                },
                watch: self.ends.watch,
                schedule: Duration::from_millis(20),
                lost_after: self.ends.lost_after,
                keep: self.ends.keep,
                removal: Duration::from_millis(20),
                ..Limits::default()
            },
            on_shutdown: self.ends.on_shutdown,
        }
    }

    pub(crate) async fn restart_parent(&mut self) {
        self.parent.take().unwrap().shutdown().await;
        self.start_parent().await;
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let rounds = self.parent.as_ref().unwrap().rounds();
        let response = router(rounds.clone()).oneshot(request).await.unwrap();
        let content_type = response.headers().get(header::CONTENT_TYPE);
        Answer {
            status: response.status(),
            content_type: content_type
                .map_or(String::new(), |value| value.to_str().unwrap().to_owned()),
            body: to_bytes(response.into_body(), usize::MAX)
                .await
                .unwrap()
                .to_vec(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, vec![]).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.call(Method::POST, path, vec![]).await
    }

    pub(crate) async fn open(&self, intake: Intake, dimension: u64) -> RoundId {
        self.open_with(&params(intake, dimension)).await
    }

    pub(crate) async fn open_with(&self, params: &SignedRoundParams) -> RoundId {
        let params = canonical::encode(params);
        let answer = self.call(Method::POST, "/v1/rounds", params).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        answer.json()["round_id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn put(&self, contribution: &Contribution) -> Answer {
        let header = &contribution.header;
        let path = contribution_path(&header.round_id, &header.client);
        self.call(Method::PUT, &path, contribution.bytes()).await
    }

    /// Puts one of 100 elements; errs with the problem's code.
    pub(crate) async fn put_small(&self, round: RoundId, client: u8) -> Result<(), String> {
        let answer = self.put(&Contribution::new(round, client, 100)).await;
        match answer.status {
            StatusCode::OK => Ok(()),
            _ => Err(answer.code()),
        }
    }

    /// Puts the contributions of these clients and expects them to be accepted.
    pub(crate) async fn put_all(&self, round: RoundId, clients: impl IntoIterator<Item = u8>) {
        for client in clients {
            let contribution = Contribution::new(round, client, DIMENSION);
            let answer = self.put(&contribution).await;
            assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
            let signed: Signed<Acceptance> = canonical::decode(&answer.body).unwrap();
            assert_eq!(
                signed.unverified().contribution,
                contribution.header.digest()
            );
        }
    }

    /// How often the enclave was asked to take contributions, whatever came of it.
    pub(crate) fn headers_relayed(&self) -> usize {
        self.enclave.count("contribute") + self.enclave.count("contribute_many")
    }

    pub(crate) async fn phase(&self, round: RoundId) -> String {
        let answer = self.get(&format!("/v1/rounds/{round}")).await;
        answer.json()["phase"].as_str().unwrap().to_owned()
    }

    /// Waits until the round has this phase.
    pub(crate) async fn becomes(&self, round: RoundId, phase: &str) {
        for _ in 0..200 {
            if self.phase(round).await == phase {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the round is {}, not {phase}", self.phase(round).await);
    }

    /// How many rows one statement changed in the database of a parent that is not running.
    pub(crate) fn edit_database(&self, statement: &str) -> usize {
        self.database().execute(statement, []).unwrap()
    }

    pub(crate) fn round_folder(&self, round: RoundId) -> PathBuf {
        self.folder.path().join("rounds").join(round.to_string())
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("rounds.db")).unwrap()
    }

    /// A large one, or a small one.
    pub(crate) fn stored_upload(&self, round: RoundId, client: ClientId) -> Option<Vec<u8>> {
        let folder = self.round_folder(round).join("uploads");
        let row = || {
            self.database()
                .query_row(
                    "SELECT content FROM blobs
                     WHERE kind = 'upload' AND round_id = ?1 AND which = ?2",
                    [round.as_bytes(), client.as_bytes()],
                    |row| row.get(0),
                )
                .ok()
        };
        std::fs::read(folder.join(format!("{client}.upload")))
            .ok()
            .or_else(row)
    }

    /// Large ones and small ones.
    pub(crate) fn stored_uploads(&self, round: RoundId) -> usize {
        let folder = self.round_folder(round).join("uploads");
        let database = self.database();
        let rows: i64 = database
            .query_row(
                "SELECT count(*) FROM blobs WHERE kind = 'upload' AND round_id = ?1",
                [round.as_bytes()],
                |row| row.get(0),
            )
            .unwrap();
        rows as usize + std::fs::read_dir(folder).map_or(0, Iterator::count)
    }

    pub(crate) fn temporary_files(&self) -> usize {
        let folder = self.folder.path().join("temporary");
        std::fs::read_dir(folder).unwrap().count()
    }

    pub(crate) async fn assert_aggregate(
        &self,
        round: RoundId,
        clients: impl IntoIterator<Item = u8>,
    ) {
        let answer = self.get(&format!("/v1/rounds/{round}/aggregate")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.content_type, "application/octet-stream");
        assert!(
            answer.body == plain_sum(clients, DIMENSION),
            "the aggregate is the sum"
        );
    }
}

pub(crate) fn contribution_path(round: &RoundId, client: &ClientId) -> String {
    format!("/v1/rounds/{round}/contributions/{client}")
}

const HOUR: Duration = Duration::from_secs(3600);
/// A little over one block.
pub(crate) const DIMENSION: u64 = 16_384 + 100;
const BITS: u8 = 20;

pub(crate) fn params(intake: Intake, dimension: u64) -> SignedRoundParams {
    params_for(intake, dimension, 6)
}

/// For up to `max_cohort` clients.
pub(crate) fn params_for(intake: Intake, dimension: u64, max_cohort: u32) -> SignedRoundParams {
    numbered(4, intake, dimension, max_cohort)
}

/// The task's round of this number.
pub(crate) fn numbered(
    round_number: u64,
    intake: Intake,
    dimension: u64,
    max_cohort: u32,
) -> SignedRoundParams {
    let operator = OperatorSigner::from_secret(&[7; 32]);
    let terms = RoundTerms {
        version: 1,
        task: "triage".parse().unwrap(),
        round_number,
        operator: operator.key(),
        base_model: Digest::new([1; 32]),
        schema: Digest::new([2; 32]),
        dimension,
        ring_bits: RingBits::new(BITS).unwrap(),
        clip: 100,
        fractional_bits: 10,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort,
        intake,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    };
    RoundParams::new(terms).unwrap().sign(&operator).unwrap()
}

pub(crate) struct Contribution {
    pub(crate) header: ContributionHeader,
    pub(crate) body: Vec<u8>,
}

impl Contribution {
    pub(crate) fn new(round_id: RoundId, client: u8, dimension: u64) -> Self {
        let (mut body, mut commitment) = (Vec::new(), CommitmentBuilder::masked_update());
        for block in vector(client, dimension).chunks(16_384) {
            let packed = packed(block);
            commitment.push(&packed);
            body.extend(packed);
        }
        let header = ContributionHeader {
            round_id,
            client: ClientId::new([client; 32]),
            encapsulated_key: vec![client; 32].into(),
            commitment: Commitment(commitment.root()),
            sealed: vec![4; 20].into(),
            credential: None,
        };
        Self { header, body }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [upload::prefix(&self.header), self.body.clone()].concat()
    }
}

fn vector(client: u8, dimension: u64) -> Vec<i64> {
    let start = i64::from(client) * 7919;
    (0..dimension as i64)
        .map(|i| (start + i * 104_729) & 0xf_ffff)
        .collect()
}

fn packed(block: &[i64]) -> Vec<u8> {
    let bits = RingBits::new(BITS).unwrap();
    pack(&RingVector::from_signed(bits, block.iter().copied()))
}

pub(crate) fn plain_sum(clients: impl IntoIterator<Item = u8>, dimension: u64) -> Vec<u8> {
    let mut sum = vec![0; dimension as usize];
    for client in clients {
        for (sum, value) in sum.iter_mut().zip(vector(client, dimension)) {
            *sum += value;
        }
    }
    sum.chunks(16_384).flat_map(packed).collect()
}

pub(crate) fn layout() -> BlockLayout {
    BlockLayout::new(DIMENSION, RingBits::new(BITS).unwrap())
}
