//! `GET /v1/rounds/{round_id}/evidence`: what receipts are judged by, kept since the
//! round opened.

use std::sync::Arc;

use axum::extract::{Path, State};

use super::answer::{Cbor, missing, stored};
use super::described::{Binary, Problems, RoundPath};
use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::storage::{Record, StorageError};

/// What the round's receipts are judged by.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round_id}/evidence",
    tag = "auditors",
    params(RoundPath),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`RoundEvidence`"),
        Problems,
    ),
)]
pub(super) async fn evidence(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Cbor, Problem> {
    let round = super::find(&rounds, &round_id)?;
    let damaged = || {
        Problem::storage(&StorageError::Damaged {
            round_id: round.id(),
            record: Record::Evidence,
        })
    };
    match stored(&rounds, round.id(), Record::Evidence).await? {
        Some(evidence) => Ok(evidence),
        None => Err(missing(&rounds, round.id(), damaged).await),
    }
}
