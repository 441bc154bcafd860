//! A parent on loopback that misbehaves as it is told, and keeps what it was sent.

use core::time::Duration;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use sealsum_protocol::{
    AbortReceipt, Acceptance, ClientNonce, CohortProof, Receipt, RoundEvidence, Signed, canonical,
    upload,
};
use serde::{Deserialize, Serialize};

use super::{Nsm, Round};
use crate::{Parent, Patience};

/// What the parent does with the next upload, once each; honest when there is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upload {
    /// Takes it and has it accepted.
    Accept,
    /// Answers with this status and code.
    Problem(u16, &'static str),
    /// Takes it, and answers with an acceptance by a key of its own.
    ForgeAcceptance,
    /// Takes it, and answers with the acceptance of another contribution.
    AcceptAnother,
    /// Takes it, and sends the head of an answer and then a byte of it now and then.
    Drip,
}

/// How the parent answers the next request for an offer; honest when there is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Fresh evidence.
    Honest,
    /// Evidence that answers somebody else's nonce.
    Replay,
    /// Another round's offer.
    OtherRound,
}

/// What the parent has, does, and has seen.
pub(crate) struct Behaviour {
    pub(crate) nsm: Nsm,
    pub(crate) round: Round,
    pub(crate) offers: VecDeque<Offer>,
    pub(crate) uploads: VecDeque<Upload>,
    pub(crate) abort_receipt: Option<Signed<AbortReceipt>>,
    pub(crate) released: Option<Released>,
    /// The client's ledger, to see what is in it at the moment an upload arrives.
    pub(crate) ledger: Option<PathBuf>,
    pub(crate) offered: usize,
    /// Bodies of uploads, and how many contributions the ledger held as each arrived.
    pub(crate) uploaded: Vec<(Vec<u8>, u32)>,
}

/// What is served of a released round.
pub(crate) struct Released {
    pub(crate) receipt: Signed<Receipt>,
    pub(crate) aggregate: Vec<u8>,
    pub(crate) proof: CohortProof,
}

/// A running parent; it ends with the test's runtime.
pub(crate) struct FakeParent {
    pub(crate) parent: Parent,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl FakeParent {
    pub(crate) async fn start(nsm: Nsm, round: Round) -> Self {
        let behaviour = Arc::new(Mutex::new(Behaviour {
            nsm,
            round,
            offers: VecDeque::new(),
            uploads: VecDeque::new(),
            abort_receipt: None,
            released: None,
            ledger: None,
            offered: 0,
            uploaded: Vec::new(),
        }));
        let app = Router::new()
            .route("/v1/tasks/{task}/offer", get(offer))
            .route("/v1/rounds/{round}/offer", get(offer))
            .route("/v1/rounds/{round}/contributions/{client}", put(contribute))
            .route("/v1/rounds/{round}/abort-receipt", get(abort_receipt))
            .route("/v1/rounds/{round}/receipt", get(receipt))
            .route("/v1/rounds/{round}/evidence", get(evidence))
            .route("/v1/rounds/{round}/aggregate", get(aggregate))
            .route("/v1/rounds/{round}/proofs/{client}", get(proof))
            .with_state(Arc::clone(&behaviour));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            parent: Parent::new(&url).unwrap().with_patience(one_try()),
            behaviour,
        }
    }

    pub(crate) fn with<T>(&self, use_it: impl FnOnce(&mut Behaviour) -> T) -> T {
        use_it(&mut self.behaviour.lock().unwrap())
    }
}

/// What a test fails by, it fails by at once.
pub(crate) fn one_try() -> Patience {
    Patience::new(Duration::ZERO)
}

type Shared = State<Arc<Mutex<Behaviour>>>;

#[derive(Deserialize)]
struct NonceQuery {
    nonce: String,
}

async fn offer(State(shared): Shared, Query(query): Query<NonceQuery>) -> Response {
    let mut parent = shared.lock().unwrap();
    parent.offered += 1;
    let nonce: ClientNonce = query.nonce.parse().unwrap();
    cbor(&match parent.offers.pop_front().unwrap_or(Offer::Honest) {
        Offer::Honest => parent.nsm.offer(&parent.round, &nonce),
        Offer::Replay => {
            let old = ClientNonce::new([0x99; 32]);
            parent.nsm.offer(&parent.round, &old)
        }
        Offer::OtherRound => parent.nsm.offer(&Round::new(0x42), &nonce),
    })
}

async fn contribute(State(shared): Shared, body: Bytes) -> Response {
    let mut parent = shared.lock().unwrap();
    let recorded = parent.ledger.as_ref().map_or(0, |path| {
        let ledger = rusqlite::Connection::open(path).unwrap();
        let count = "SELECT count(*) FROM contributions";
        ledger.query_row(count, [], |row| row.get(0)).unwrap()
    });
    parent.uploaded.push((body.to_vec(), recorded));
    let length = upload::header_length(body[..4].try_into().unwrap()).unwrap();
    let header = upload::header(&body[4..4 + length]).unwrap();
    let acceptance = Acceptance {
        round_id: header.round_id,
        client: header.client,
        contribution: header.digest(),
    };
    let receipts = &parent.round.receipts;
    match parent.uploads.front().copied().unwrap_or(Upload::Accept) {
        Upload::Problem(status, code) => {
            parent.uploads.pop_front();
            problem(status, code)
        }
        Upload::Accept => cbor(&receipts.sign(acceptance)),
        Upload::Drip => {
            parent.uploads.pop_front();
            let byte = tokio::time::sleep(core::time::Duration::from_millis(20));
            let drops = futures_util::stream::unfold(byte, |byte| async {
                byte.await;
                let next = tokio::time::sleep(core::time::Duration::from_millis(20));
                Some((
                    Ok::<_, core::convert::Infallible>(Bytes::from_static(b"x")),
                    next,
                ))
            });
            Response::new(axum::body::Body::from_stream(drops))
        }
        Upload::ForgeAcceptance => {
            parent.uploads.pop_front();
            cbor(&Round::new(0x42).receipts.sign(acceptance))
        }
        Upload::AcceptAnother => {
            let contribution = super::other_model(9);
            let signed = receipts.sign(Acceptance {
                contribution,
                ..acceptance
            });
            parent.uploads.pop_front();
            cbor(&signed)
        }
    }
}

async fn abort_receipt(State(shared): Shared, Path(_): Path<String>) -> Response {
    let parent = shared.lock().unwrap();
    match &parent.abort_receipt {
        Some(receipt) => cbor(receipt),
        None => problem(404, "not_aborted"),
    }
}

async fn receipt(State(shared): Shared) -> Response {
    match &shared.lock().unwrap().released {
        Some(released) => cbor(&released.receipt),
        None => problem(404, "not_released"),
    }
}

async fn proof(State(shared): Shared) -> Response {
    match &shared.lock().unwrap().released {
        Some(released) => cbor(&released.proof),
        None => problem(404, "not_released"),
    }
}

async fn aggregate(State(shared): Shared) -> Response {
    match &shared.lock().unwrap().released {
        Some(released) => released.aggregate.clone().into_response(),
        None => problem(404, "not_released"),
    }
}

async fn evidence(State(shared): Shared) -> Response {
    let parent = shared.lock().unwrap();
    cbor(&RoundEvidence {
        binding: parent.round.binding.clone(),
        evidence: parent.nsm.evidence(&parent.round, None),
    })
}

fn cbor<T: Serialize>(message: &T) -> Response {
    canonical::encode(message).into_response()
}

fn problem(status: u16, code: &str) -> Response {
    let problem = serde_json::json!({ "status": status, "code": code, "detail": "as told" });
    (StatusCode::from_u16(status).unwrap(), Json(problem)).into_response()
}
