//! `POST /v1/rounds/{round_id}/close`: answers once the round is released. Closing
//! goes on if the caller hangs up; whoever calls again waits for the same end.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::summary::RoundSummary;

/// Closes a round and answers once it is released.
#[utoipa::path(post, path = "/v1/rounds/{round_id}/close", tag = "operator", params(("round_id" = String, Path, description = "The round's id: 64 hexadecimal characters")), responses((status = 200, body = RoundSummary), (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn close(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Json<RoundSummary>, Problem> {
    let round = super::find(&rounds, &round_id)?;
    Ok(Json(rounds.close(&round).await?))
}
