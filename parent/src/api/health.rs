//! `GET /healthz`, `GET /readyz`, `GET /metrics`: for whoever looks after the parent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sealsum_protocol::messages::Phase;
use serde::Serialize;
use utoipa::ToSchema;

use super::described::Problems;
use crate::problem::Problem;
use crate::rounds::Rounds;

/// How the parent is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`
    status: &'static str,
    /// The parent's version.
    version: &'static str,
}

/// Whether the process serves. It says nothing of the enclave: a restart would not bring that
/// back.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    responses((status = 200, body = Health, description = "the process serves")),
)]
pub(super) async fn healthz() -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Whether the parent can take contributions.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Whether it can: rounds are read back and the enclave answers.
    ready: bool,
    /// Whether every stored round was read back and is being taken up.
    rounds_loaded: bool,
    /// Whether the enclave answered when it was last asked: every few seconds. One that says nothing is
    /// waited for (`enclave.reply_seconds`) before this is false.
    enclave_answers: bool,
    /// Rounds that take contributions now. A parent is ready without any.
    collecting: usize,
}

/// Whether to send clients here: 200 if so, else 503 with what is missing.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses(
        (status = 200, body = Readiness, description = "clients may come"),
        (status = 503, body = Readiness, description = "not yet, or not now; the fields say why"),
    ),
)]
pub(super) async fn readyz(State(rounds): State<Arc<Rounds>>) -> (StatusCode, Json<Readiness>) {
    let collecting = rounds.list();
    let collecting = collecting
        .iter()
        .filter(|round| round.phase() == Phase::Collecting)
        .count();
    let (rounds_loaded, enclave_answers) = (rounds.are_loaded(), rounds.link.is_answering());
    let ready = rounds_loaded && enclave_answers;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let readiness = Readiness {
        ready,
        rounds_loaded,
        enclave_answers,
        collecting,
    };
    (status, Json(readiness))
}

/// Counts in the text form of OpenMetrics, which Prometheus reads.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8", description = "the counts"),
        Problems,
    ),
)]
pub(super) async fn metrics(State(rounds): State<Arc<Rounds>>) -> Result<Response, Problem> {
    let text = rounds
        .metrics
        .text(&rounds.list(), &rounds.scheduled())
        .map_err(|_| {
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "interrupted",
                "The parent failed",
                "the counts could not be written down; ask again",
            )
        })?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
