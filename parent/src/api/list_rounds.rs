//! `GET /v1/rounds`: every round's summary, newest last.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rounds::Rounds;
use crate::summary::RoundSummary;

/// Rounds.
#[derive(Serialize, ToSchema)]
pub(super) struct RoundList {
    /// Their summaries.
    rounds: Vec<RoundSummary>,
}

/// Every round, newest last.
#[utoipa::path(
    get,
    path = "/v1/rounds",
    tag = "clients",
    responses((status = 200, body = RoundList)),
)]
pub(super) async fn list_rounds(State(rounds): State<Arc<Rounds>>) -> Json<RoundList> {
    let rounds = rounds.everywhere();
    let rounds = rounds.iter().map(|round| round.summary()).collect();
    Json(RoundList { rounds })
}
