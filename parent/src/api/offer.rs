//! `GET .../offer?nonce=HEX64`: what a client that would join is shown.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use sealsum_protocol::{ClientNonce, TaskName, canonical};
use serde::Deserialize;

use super::answer::Cbor;
use super::described::{Binary, Problems, RoundPath};
use crate::problem::Problem;
use crate::round::Round;
use crate::rounds::Rounds;

#[derive(Deserialize)]
pub(super) struct OfferQuery {
    nonce: Option<String>,
}

/// What a client that would join this round is shown.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round_id}/offer",
    tag = "clients",
    params(
        RoundPath,
        ("nonce" = String, Query, description = "32 random bytes in hexadecimal; evidence is fresh for these"),
    ),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`RoundOffer`: parameters, keys, evidence"),
        Problems,
    ),
)]
pub(super) async fn offer_of_round(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
    Query(query): Query<OfferQuery>,
) -> Result<Cbor, Problem> {
    let round = super::find(&rounds, &round_id)?;
    offer(&rounds, &round, query).await
}

/// The same of the task's newest round that takes contributions.
#[utoipa::path(
    get,
    path = "/v1/tasks/{task}/offer",
    tag = "clients",
    params(
        ("task" = String, Path, description = "The task's name"),
        ("nonce" = String, Query, description = "32 random bytes in hexadecimal; evidence is fresh for these"),
    ),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`RoundOffer`"),
        Problems,
    ),
)]
pub(super) async fn offer_of_task(
    State(rounds): State<Arc<Rounds>>,
    Path(task): Path<String>,
    Query(query): Query<OfferQuery>,
) -> Result<Cbor, Problem> {
    let task = TaskName::try_from(task).map_err(|error| Problem::malformed(error.to_string()))?;
    let round = rounds
        .newest_collecting(&task)
        .ok_or_else(Problem::no_round_of_task)?;
    offer(&rounds, &round, query).await
}

async fn offer(
    rounds: &Arc<Rounds>,
    round: &Arc<Round>,
    query: OfferQuery,
) -> Result<Cbor, Problem> {
    let nonce: ClientNonce = query
        .nonce
        .ok_or_else(|| Problem::malformed("an offer needs ?nonce= with 64 hexadecimal characters"))?
        .parse()
        .map_err(|error| Problem::malformed(format!("the nonce: {error}")))?;
    let offer = rounds.offer(round, nonce).await?;
    Ok(Cbor(canonical::encode(&offer)))
}
