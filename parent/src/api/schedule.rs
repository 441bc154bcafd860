//! `GET`, `POST /v1/schedule`, `DELETE /v1/schedule/{schedule_id}`: rounds that are to open by
//! themselves.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use sealsum_protocol::{RoundId, SignedRoundParams, TaskName, canonical};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::described::Problems;
use crate::problem::Problem;
use crate::round::RoundError;
use crate::rounds::Rounds;
use crate::schedule::{ClosingRule, Opens, ScheduleError, ScheduledRound};

/// A round to schedule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleRequest {
    /// `SignedRoundParams`, canonical, in hexadecimal.
    params: String,
    /// When it opens.
    opens: Opens,
    /// When it closes; by the operator alone if this says nothing.
    #[serde(default)]
    closing: ClosingRule,
}

/// A round that is to open.
#[derive(Serialize, ToSchema)]
pub(super) struct Scheduled {
    /// Its id in the schedule: 64 hexadecimal characters. The round's own comes when it opens.
    schedule_id: String,
    /// Its task.
    #[schema(value_type = String)]
    task: TaskName,
    /// Its number in the task.
    round_number: u64,
    /// When it opens.
    opens: Opens,
    /// When it closes.
    closing: ClosingRule,
    /// Why it will not open: what the enclave or this parent says. It stays until it is removed, and
    /// those behind it go on.
    failed: Option<String>,
}

impl From<ScheduledRound> for Scheduled {
    fn from(scheduled: ScheduledRound) -> Self {
        let terms = scheduled.terms();
        Self {
            schedule_id: scheduled.id().to_string(),
            task: terms.task.clone(),
            round_number: terms.round_number,
            opens: scheduled.opens,
            closing: scheduled.closing,
            failed: scheduled.failed,
        }
    }
}

/// The schedule.
#[derive(Serialize, ToSchema)]
pub(super) struct Schedule {
    /// In the order in which they were scheduled.
    scheduled: Vec<Scheduled>,
}

/// Every round that is to open, in the order in which they were scheduled.
#[utoipa::path(
    get,
    path = "/v1/schedule",
    tag = "operator",
    responses((status = 200, body = Schedule, description = "what is to open, in its order"), Problems),
)]
pub(super) async fn list_schedule(State(rounds): State<Arc<Rounds>>) -> Json<Schedule> {
    let scheduled = rounds
        .scheduled()
        .into_iter()
        .map(Scheduled::from)
        .collect();
    Json(Schedule { scheduled })
}

/// Schedules a round under an operator's signed parameters. The same again is the same.
#[utoipa::path(
    post,
    path = "/v1/schedule",
    tag = "operator",
    request_body = ScheduleRequest,
    responses(
        (status = 201, body = Scheduled, description = "it is scheduled"),
        Problems,
    ),
)]
pub(super) async fn schedule(
    State(rounds): State<Arc<Rounds>>,
    body: Body,
) -> Result<(StatusCode, Json<Scheduled>), Problem> {
    let bytes = tokio::time::timeout(rounds.limits.body_piece, to_bytes(body, REQUEST_LIMIT))
        .await
        .map_err(|_| Problem::malformed("the request did not arrive in time"))?
        .map_err(|_| {
            Problem::malformed(format!(
                "a scheduled round has at most {REQUEST_LIMIT} bytes"
            ))
        })?;
    let request: ScheduleRequest = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::malformed(format!(
            "the body is to be a scheduled round in JSON: {error}"
        ))
    })?;
    let params = hex::decode(&request.params)
        .map_err(|error| Problem::malformed(format!("params: {error}")))?;
    let params: SignedRoundParams = canonical::decode(&params).map_err(|error| {
        Problem::malformed(format!(
            "params are to be signed round parameters in canonical CBOR: {error}, or parameters that the planner refuses"
        ))
    })?;
    let scheduled = rounds
        .schedule(params, request.opens, request.closing)
        .await?;
    Ok((StatusCode::CREATED, Json(scheduled.into())))
}

/// Takes a scheduled round back. One that has opened is closed or aborted instead.
#[utoipa::path(
    delete,
    path = "/v1/schedule/{schedule_id}",
    tag = "operator",
    params(
        ("schedule_id" = String, Path, description = "64 hexadecimal characters, as scheduling answered"),
    ),
    responses(
        (status = 204, description = "it will not open"),
        Problems,
    ),
)]
pub(super) async fn unschedule(
    State(rounds): State<Arc<Rounds>>,
    Path(schedule_id): Path<String>,
) -> Result<StatusCode, Problem> {
    let unknown = |_| RoundError::from(ScheduleError::Unknown);
    let id: RoundId = schedule_id.parse().map_err(unknown)?;
    rounds.unschedule(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Parameters are a few hundred bytes.
const REQUEST_LIMIT: usize = 64 * 1024;
