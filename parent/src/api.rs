//! The HTTP interface, version 1: one file for each call.

mod abort;
mod abort_receipt;
mod aggregate;
mod answer;
mod close;
mod contribute;
mod evidence;
mod list_rounds;
mod offer;
mod open_round;
mod proof;
mod receipt;
mod show_round;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use sealsum_protocol::RoundId;

use crate::problem::Problem;
use crate::round::Round;
use crate::rounds::Rounds;

/// Every path of the interface: clients' and operator's.
pub fn router(rounds: Arc<Rounds>) -> Router {
    let operator = Router::new()
        .route("/v1/rounds", post(open_round::open_round))
        .route("/v1/rounds/{round_id}/close", post(close::close))
        .route("/v1/rounds/{round_id}/abort", post(abort::abort));
    finish(client_paths().merge(operator), rounds)
}

/// What clients and auditors need. Whoever could also close a round could choose the
/// moment at which one client stands among Sybils.
pub fn client_router(rounds: Arc<Rounds>) -> Router {
    finish(client_paths(), rounds)
}

fn client_paths() -> Router<Arc<Rounds>> {
    Router::new()
        .route("/v1/rounds", get(list_rounds::list_rounds))
        .route("/v1/rounds/{round_id}", get(show_round::show_round))
        .route("/v1/rounds/{round_id}/offer", get(offer::offer_of_round))
        .route("/v1/tasks/{task}/offer", get(offer::offer_of_task))
        .route(
            "/v1/rounds/{round_id}/contributions/{client_id}",
            put(contribute::contribute),
        )
        .route("/v1/rounds/{round_id}/evidence", get(evidence::evidence))
        .route("/v1/rounds/{round_id}/receipt", get(receipt::receipt))
        .route(
            "/v1/rounds/{round_id}/abort-receipt",
            get(abort_receipt::abort_receipt),
        )
        .route("/v1/rounds/{round_id}/aggregate", get(aggregate::aggregate))
        .route(
            "/v1/rounds/{round_id}/proofs/{client_id}",
            get(proof::proof),
        )
}

fn finish(paths: Router<Arc<Rounds>>, rounds: Arc<Rounds>) -> Router {
    paths
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn(log))
        .with_state(rounds)
}

/// The round that a path names.
fn find(rounds: &Rounds, id: &str) -> Result<Arc<Round>, Problem> {
    id.parse::<RoundId>()
        .ok()
        .and_then(|id| rounds.find(&id))
        .ok_or_else(Problem::unknown_round)
}

async fn no_such_path() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_path",
        "No such path",
        "this parent serves version 1 of the interface under /v1; closing and aborting are the operator's, at the address of --operator-listen",
    )
}

async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "No such method",
        "this path does not have that method here; opening, closing and aborting are the operator's, at the address of --operator-listen",
    )
}

/// One line a request: the path's pattern, never its ids' bodies or query.
async fn log(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let begun = Instant::now();
    let response = next.run(request).await;
    tracing::debug!(
        %method,
        path = path.as_ref().map_or("unmatched", MatchedPath::as_str),
        status = response.status().as_u16(),
        millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}
