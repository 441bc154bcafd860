//! `GET /v1/rounds/{round_id}`: one round's summary, with the enclave's word on it if
//! the enclave has a moment.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::described::{Problems, RoundPath};
use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::summary::RoundSummary;

/// How a round stands.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round_id}",
    tag = "clients",
    params(RoundPath),
    responses(
        (status = 200, body = RoundSummary, description = "the round as it is now"),
        Problems,
    ),
)]
pub(super) async fn show_round(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Json<RoundSummary>, Problem> {
    let round = super::find(&rounds, &round_id)?;
    let _ = rounds.refresh(&round).await;
    Ok(Json(round.summary()))
}
