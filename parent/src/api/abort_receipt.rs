//! `GET /v1/rounds/{round_id}/abort-receipt`: the proof that frees clients' ledgers.

use std::sync::Arc;

use axum::extract::{Path, State};

use super::answer::{Cbor, missing, stored};
use super::described::{Binary, Problems, RoundPath};
use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::storage::Record;

/// The proof that nothing was released.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round_id}/abort-receipt",
    tag = "auditors",
    params(RoundPath),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`Signed<AbortReceipt>`"),
        Problems,
    ),
)]
pub(super) async fn abort_receipt(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Cbor, Problem> {
    let round = super::find(&rounds, &round_id)?;
    let not_aborted = || Problem::not_aborted(round.phase());
    match stored(&rounds, round.id(), Record::AbortReceipt).await? {
        Some(receipt) => Ok(receipt),
        None => Err(missing(&rounds, round.id(), not_aborted).await),
    }
}
