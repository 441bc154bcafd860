//! `POST /v1/rounds/{round_id}/abort`: the signed abort receipt.

use std::sync::Arc;

use axum::extract::{Path, State};

use super::answer::Cbor;
use super::described::{Binary, Problems, RoundPath};
use crate::problem::Problem;
use crate::rounds::Rounds;

/// Ends a round of which nothing was released; the answer is proof of that.
#[utoipa::path(
    post,
    path = "/v1/rounds/{round_id}/abort",
    tag = "operator",
    params(RoundPath),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`Signed<AbortReceipt>`"),
        Problems,
    ),
)]
pub(super) async fn abort(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Cbor, Problem> {
    let round = super::find(&rounds, &round_id)?;
    Ok(Cbor(rounds.abort(&round).await?))
}
