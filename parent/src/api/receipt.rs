//! `GET /v1/rounds/{round_id}/receipt`: the release's signed receipt.

use std::sync::Arc;

use axum::extract::{Path, State};
use sealsum_protocol::messages::Phase;

use super::answer::{Cbor, missing, stored};
use super::described::{Binary, Problems, RoundPath};
use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::storage::Record;

/// The enclave's statement about the released sum.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round_id}/receipt",
    tag = "auditors",
    params(RoundPath),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`Signed<Receipt>`"),
        Problems,
    ),
)]
pub(super) async fn receipt(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Cbor, Problem> {
    let round = super::find(&rounds, &round_id)?;
    let not_released = || Problem::not_released(round.phase());
    if round.phase() != Phase::Released {
        return Err(not_released());
    }
    match stored(&rounds, round.id(), Record::Receipt).await? {
        Some(receipt) => Ok(receipt),
        None => Err(missing(&rounds, round.id(), not_released).await),
    }
}
