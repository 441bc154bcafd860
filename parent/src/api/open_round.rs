//! `POST /v1/rounds`: signed parameters in, the round's summary out.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use sealsum_protocol::{SignedRoundParams, canonical};

use super::described::{Binary, Problems};
use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::schedule::ClosingRule;
use crate::summary::RoundSummary;

/// Opens a round under an operator's signed parameters.
#[utoipa::path(
    post,
    path = "/v1/rounds",
    tag = "operator",
    params(
        ("target_cohort" = Option<u32>, Query, description = "Close as soon as so many contributions are in"),
        ("closes_after_seconds" = Option<u64>, Query, description = "Close so many seconds after opening; abort if min_cohort is not reached"),
    ),
    request_body(
        content = Binary,
        content_type = "application/cbor",
        description = "`SignedRoundParams`, canonical",
    ),
    responses(
        (status = 201, body = RoundSummary, description = "the round is open"),
        Problems,
    ),
)]
pub(super) async fn open_round(
    State(rounds): State<Arc<Rounds>>,
    closing: Result<Query<ClosingRule>, QueryRejection>,
    body: Body,
) -> Result<(StatusCode, Json<RoundSummary>), Problem> {
    let Query(closing) = closing.map_err(|error| Problem::malformed(error.body_text()))?;
    let bytes = tokio::time::timeout(rounds.limits.body_piece, to_bytes(body, PARAMS_LIMIT))
        .await
        .map_err(|_| Problem::malformed("the parameters did not arrive in time"))?
        .map_err(|_| {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_length",
                "The body is too long",
                format!("signed parameters have at most {PARAMS_LIMIT} bytes"),
            )
        })?;
    let params: SignedRoundParams = canonical::decode(&bytes).map_err(|error| {
        Problem::malformed(format!(
            "the body is to be signed round parameters in canonical CBOR: {error}, or parameters that the planner refuses"
        ))
    })?;
    rounds.must_not_wait(&params)?;
    let round = rounds.open(params, closing).await?;
    Ok((StatusCode::CREATED, Json(round.summary())))
}

/// Parameters are a few hundred bytes.
const PARAMS_LIMIT: usize = 16 * 1024;
