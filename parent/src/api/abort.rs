//! `POST /v1/rounds/{round_id}/abort`: the signed abort receipt.

use std::sync::Arc;

use axum::extract::{Path, State};

use super::answer::Cbor;
use crate::problem::Problem;
use crate::rounds::Rounds;

pub(super) async fn abort(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Cbor, Problem> {
    let round = super::find(&rounds, &round_id)?;
    Ok(Cbor(rounds.abort(&round).await?))
}
