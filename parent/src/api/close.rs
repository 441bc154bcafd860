//! `POST /v1/rounds/{round_id}/close`: answers once the round is released. Closing
//! goes on if the caller hangs up; whoever calls again waits for the same end.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::described::{Problems, RoundPath};
use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::summary::RoundSummary;

/// Closes a round and answers once it is released.
#[utoipa::path(
    post,
    path = "/v1/rounds/{round_id}/close",
    tag = "operator",
    params(RoundPath),
    responses(
        (status = 200, body = RoundSummary, description = "the round as it is now"),
        Problems,
    ),
)]
pub(super) async fn close(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Json<RoundSummary>, Problem> {
    let round = super::find(&rounds, &round_id)?;
    Ok(Json(rounds.close(&round).await?))
}
