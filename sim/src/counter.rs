//! What an honest client takes for the parent: an HTTP server that the simulation answers for.
//!
//! Offers come from the enclave that is asked for; everything else is what the operation at hand
//! lays out. Uploads are kept as they came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use sealsum_protocol::messages::Attest;
use sealsum_protocol::{
    ClientNonce, Command, Digest, NoncePath, Reply, RoundBinding, RoundId, RoundOffer, canonical,
};
use sealsum_testkit::Link as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::enclaves::LiveEnclave;
use crate::world::text;

/// The server; it ends with its runtime.
pub(crate) struct Counter {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    desk: Mutex<Desk>,
    uploaded: Notify,
}

/// What lies ready.
#[derive(Default)]
pub(crate) struct Desk {
    /// The rounds on offer, each with its enclave.
    pub(crate) rounds: HashMap<RoundId, (LiveEnclave, RoundBinding)>,
    /// What is served at a path.
    pub(crate) files: HashMap<String, Vec<u8>>,
    /// What an upload is answered with.
    pub(crate) answer: Answer,
    /// Uploads since the desk was cleared.
    pub(crate) uploads: Vec<Vec<u8>>,
}

/// What an upload is answered with.
#[derive(Clone, Default)]
pub(crate) enum Answer {
    /// Nothing, ever.
    #[default]
    Silence,
    /// An acceptance.
    Acceptance(Vec<u8>),
    /// A no for good.
    Refusal,
}

impl Counter {
    pub(crate) async fn start() -> Result<Self, String> {
        let shared = Arc::<Shared>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let url = format!("http://{}", listener.local_addr().map_err(text)?);
        let router = Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, shared })
    }

    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.shared.desk()
    }

    /// Waits for an upload that nobody answers.
    pub(crate) async fn unanswered_upload(&self) {
        self.shared.uploaded.notified().await;
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if parts.method == Method::PUT {
        let Ok(bytes) = to_bytes(body, usize::MAX).await else {
            return problem(StatusCode::BAD_REQUEST, "cut");
        };
        shared.desk().uploads.push(bytes.into());
        let answer = shared.desk().answer.clone();
        return match answer {
            Answer::Acceptance(acceptance) => found(acceptance),
            Answer::Refusal => problem(StatusCode::CONFLICT, "refused"),
            Answer::Silence => {
                shared.uploaded.notify_one();
                std::future::pending().await
            }
        };
    }
    let nonce = parts
        .uri
        .query()
        .and_then(|query| query.strip_prefix("nonce="));
    let desk = shared.desk();
    match (offered(&path), nonce) {
        (Some(round_id), Some(nonce)) => offer(&desk, round_id, nonce)
            .map_or_else(|code| problem(StatusCode::CONFLICT, &code), found),
        _ => match desk.files.get(&path) {
            Some(file) => found(file.clone()),
            None => problem(StatusCode::NOT_FOUND, "not_found"),
        },
    }
}

/// The round that an offer is asked for.
fn offered(path: &str) -> Option<&str> {
    path.strip_prefix("/v1/rounds/")?.strip_suffix("/offer")
}

fn offer(desk: &Desk, round_id: &str, nonce: &str) -> Result<Vec<u8>, String> {
    let round_id: RoundId = round_id.parse().map_err(text)?;
    let nonce: ClientNonce = nonce.parse().map_err(text)?;
    let (enclave, binding) = desk.rounds.get(&round_id).ok_or("unknown_round")?;
    Ok(canonical::encode(&RoundOffer {
        binding: binding.clone(),
        evidence: attest(enclave, round_id, nonce)?.into(),
        nonce_path: NoncePath::alone(),
    }))
}

/// Fresh evidence about a round, or why there is none.
pub(crate) fn attest(
    enclave: &LiveEnclave,
    round_id: RoundId,
    nonce: ClientNonce,
) -> Result<Vec<u8>, String> {
    let nonce = Digest::new(*nonce.as_bytes());
    match enclave
        .clone()
        .say(Command::Attest(Attest { round_id, nonce }))
    {
        Reply::Evidence(evidence) => Ok(evidence.document.into_vec()),
        Reply::Refused(refusal) => Err(refusal.code().to_owned()),
        other => Err(format!("{other:?}")),
    }
}

fn found(bytes: Vec<u8>) -> Response {
    Response::new(Body::from(bytes))
}

fn problem(status: StatusCode, code: &str) -> Response {
    let body = serde_json::json!({
        "title": code, "status": status.as_u16(), "code": code, "detail": "by the simulation",
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
}
