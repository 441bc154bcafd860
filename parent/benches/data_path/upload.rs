//! Uploads to a running parent, all of its checks included: its router behind its own
//! server, over loopback, files on the given folder's file system. Beside it, plain TCP
//! servers that get the same bytes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealsum_parent::{
    Config, EnclaveAddress, Limits, Listener, OnShutdown, Parent, StorageSettings,
};
use sealsum_protocol::{
    Admission, AggregationRule, BlockTree, ClientId, Commitment, ContributionHeader, Digest,
    Intake, KemSuite, Noise, OperatorSigner, RingBits, RoundId, RoundParams, RoundTerms, Rounding,
    canonical, upload,
};

use crate::fake_enclave::FakeEnclave;
use crate::plain_server::{PlainServer, Work};
use crate::sender::send;
use crate::{cpu, median, print};

pub(crate) fn bench(folder: &Path) {
    let data = tempfile::tempdir_in(folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (_enclave, parent) = runtime.block_on(start(data.path()));
    for (dimension, turns) in [(1_000_000_u64, 31), (10_000_000, 11)] {
        let uploads = Uploads::new(&parent, dimension);
        let servers = [Work::Nothing, Work::Write, Work::Hash, Work::HashAndWrite].map(|work| {
            let bytes = uploads.prefix(0).len() + uploads.body.len();
            PlainServer::start(work, bytes, data.path().to_owned())
        });
        let mut times: [Vec<f64>; 5] = Default::default();
        for turn in 0..turns {
            times[0].push(uploads.put(&parent, data.path(), turn));
            for (server, times) in servers.iter().zip(&mut times[1..]) {
                send(server.address, uploads.prefix(turn), &uploads.body);
                times.push(server.time());
            }
        }
        let bytes = uploads.body.len() as f64;
        let [ours, tcp, written, hashed, all] = times.map(|mut times| median(&mut times) / bytes);
        let about = format!("d = {dimension}, 32 bits; server CPU");
        print("upload_vs_tcp", tcp / ours, "ratio", &about);
        print("upload_vs_tcp_and_write", written / ours, "ratio", &about);
        print("upload_vs_tcp_hash_and_write", all / ours, "ratio", &about);
        for (key, value) in [
            ("upload", ours),
            ("tcp", tcp),
            ("tcp_and_write", written),
            ("tcp_and_hash", hashed),
            ("tcp_hash_and_write", all),
        ] {
            print(&format!("{key}_ns_per_byte"), value, "ns/B", &about);
        }
    }
    runtime.block_on(parent.shutdown());
}

async fn start(data: &Path) -> (FakeEnclave, Parent) {
    let enclave = FakeEnclave::start("127.0.0.1:0".parse().unwrap()).await;
    let parent = Parent::start(Config {
        clients: Listener::plain("127.0.0.1:0".parse().unwrap()),
        operator: None,
        operators: Vec::new(),
        enclave: EnclaveAddress::Tcp(enclave.address.to_string()),
        storage: StorageSettings::embedded(data),
        limits: Limits {
            watch: Duration::from_secs(3600),
            ..Limits::default()
        },
        on_shutdown: OnShutdown::Keep,
    });
    (enclave, parent.await.unwrap())
}

/// One masked update under many clients' headers.
struct Uploads {
    round: RoundId,
    body: Arc<Vec<u8>>,
    commitment: Commitment,
}

impl Uploads {
    fn new(parent: &Parent, dimension: u64) -> Self {
        let params = params(dimension);
        let layout = params.params.layout();
        let body: Vec<u8> = (0..layout.total_bytes())
            .map(|i| (i.wrapping_mul(0x9e37_79b9) >> 13) as u8)
            .collect();
        let mut root = BlockTree::MASKED_UPDATE.frontier();
        for block in body.chunks(layout.bytes(0).unwrap()) {
            root.push(BlockTree::MASKED_UPDATE.leaf(block));
        }
        let opened = canonical::encode(&params);
        let head = head("POST", "/v1/rounds", opened.len());
        let (answer, _) = send(parent.address(), head, &Arc::new(opened));
        assert!(answer.starts_with(b"HTTP/1.1 201"));
        let start = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let opened: serde_json::Value = serde_json::from_slice(&answer[start.unwrap()..]).unwrap();
        Self {
            round: opened["round_id"].as_str().unwrap().parse().unwrap(),
            body: Arc::new(body),
            commitment: Commitment(root.root()),
        }
    }

    /// The CPU time that the parent takes for it.
    fn put(&self, parent: &Parent, data: &Path, client: u64) -> f64 {
        let prefix = self.prefix(client);
        let path = format!("/v1/rounds/{}/contributions/{}", self.round, id(client));
        let head = head("PUT", &path, prefix.len() + self.body.len());
        let before = cpu::of_process();
        let (answer, senders) = send(parent.address(), [head, prefix].concat(), &self.body);
        let time = cpu::of_process() - before - senders;
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        // It would fill the memory.
        let round = data.join("rounds").join(self.round.to_string());
        let upload = round.join("uploads").join(format!("{}.upload", id(client)));
        assert_eq!(
            std::fs::metadata(&upload).unwrap().len(),
            (self.prefix(client).len() + self.body.len()) as u64
        );
        std::fs::remove_file(upload).unwrap();
        time
    }

    fn prefix(&self, client: u64) -> Vec<u8> {
        upload::prefix(&ContributionHeader {
            round_id: self.round,
            client: id(client),
            encapsulated_key: vec![client as u8; 32].into(),
            commitment: self.commitment,
            sealed: vec![4; 20].into(),
            credential: None,
        })
    }
}

fn id(client: u64) -> ClientId {
    let mut id = [7; 32];
    id[..8].copy_from_slice(&client.to_be_bytes());
    ClientId::new(id)
}

fn head(method: &str, path: &str, length: usize) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: parent\r\ncontent-length: {length}\r\n\r\n").into()
}

fn params(dimension: u64) -> sealsum_protocol::SignedRoundParams {
    let operator = OperatorSigner::from_secret(&[7; 32]);
    let terms = RoundTerms {
        version: 1,
        task: "bench".parse().unwrap(),
        round_number: 1,
        operator: operator.key(),
        base_model: Digest::new([1; 32]),
        schema: Digest::new([2; 32]),
        dimension,
        ring_bits: RingBits::new(32).unwrap(),
        clip: 100,
        fractional_bits: 10,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 1000,
        intake: Intake::Presum,
        admission: Admission::Open,
        rule: AggregationRule::Mean,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    };
    RoundParams::new(terms).unwrap().sign(&operator).unwrap()
}
