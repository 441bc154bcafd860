//! `GET /v1/rounds`: every round's summary, newest last.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::rounds::Rounds;
use crate::summary::RoundSummary;

#[derive(Serialize)]
pub(super) struct RoundList {
    rounds: Vec<RoundSummary>,
}

pub(super) async fn list_rounds(State(rounds): State<Arc<Rounds>>) -> Json<RoundList> {
    let rounds = rounds.list().iter().map(|round| round.summary()).collect();
    Json(RoundList { rounds })
}
