//! Problems as clients see them: RFC 9457, with a stable code.
//!
//! What the enclave refused keeps the enclave's code. What failed inside the parent is
//! named by kind only; its details are for the log.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sealsum_protocol::Refusal;
use sealsum_protocol::messages::Phase;
use serde::Serialize;
use utoipa::ToSchema;

use crate::enclave_link::LinkError;
use crate::round::RoundError;
use crate::schedule::ScheduleError;
use crate::storage::StorageError;
use crate::upload::UploadRejection;

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem, the same for each code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong here, and what to do.
    detail: String,
    /// Stable, for programs.
    code: &'static str,
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// A problem's code, kept with its response for whoever counts them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProblemCode(pub(crate) &'static str);

impl Problem {
    /// A problem with this code.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SECONDS),
        }
    }

    /// Says when to try again.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn unknown_round() -> Self {
        RoundError::Removed.into()
    }

    pub(crate) fn no_round_of_task() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_open_round",
            "No round to join",
            "this parent has no round of that task that takes contributions; try again later",
        )
    }

    pub(crate) fn not_released(phase: Phase) -> Self {
        match phase {
            Phase::Lost => RoundError::Lost.into(),
            // Never, where `not_released` is not yet.
            Phase::Aborted => Self::new(
                StatusCode::NOT_FOUND,
                "aborted",
                "Aborted",
                "the round was aborted and nothing was released; its abort receipt is proof of that, and frees who contributed",
            ),
            phase => Self::new(
                StatusCode::NOT_FOUND,
                "not_released",
                "Not released",
                format!("the round is {phase}; this is there once it is released"),
            ),
        }
    }

    pub(crate) fn not_aborted(phase: Phase) -> Self {
        match phase {
            Phase::Lost => RoundError::Lost.into(),
            phase => Self::new(
                StatusCode::NOT_FOUND,
                "not_aborted",
                "Not aborted",
                match phase {
                    Phase::Released => {
                        "the round was released and has a receipt; it has no abort receipt"
                            .to_owned()
                    }
                    phase => format!(
                        "the round is {phase}; an abort receipt is there once it is aborted"
                    ),
                },
            ),
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "The request can't be read",
            detail,
        )
    }

    pub(crate) fn storage(error: &StorageError) -> Self {
        if let StorageError::Fenced(_) = error {
            return RoundError::Elsewhere.into();
        }
        tracing::error!(%error, "storage failed");
        let (status, detail) = if error.is_full() {
            (
                StatusCode::INSUFFICIENT_STORAGE,
                "the parent's disk is full",
            )
        } else if error.passes() {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the parent's storage is out of reach; try again later",
            )
        } else {
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the parent's storage failed; its log says how",
            )
        };
        Self::new(status, "storage", "Storage failed", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content = (header::CONTENT_TYPE, PROBLEM_JSON);
        let mut response = (status, [content], body).into_response();
        response.extensions_mut().insert(ProblemCode(self.code));
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, BEARER);
        }
        response
    }
}

impl From<RoundError> for Problem {
    fn from(error: RoundError) -> Self {
        let detail = error.to_string();
        let new = |status, code, title| Self::new(status, code, title, detail);
        match error {
            RoundError::Phase(_) => new(
                StatusCode::CONFLICT,
                "wrong_phase",
                "The round's phase does not allow this",
            ),
            RoundError::Removed => new(StatusCode::NOT_FOUND, "unknown_round", "No such round"),
            RoundError::Lost => new(StatusCode::GONE, "round_lost", "The round is lost"),
            RoundError::SecondContribution => new(
                StatusCode::CONFLICT,
                "second_contribution",
                "Another contribution is in",
            ),
            RoundError::Full(_) => new(StatusCode::CONFLICT, "cohort_full", "The cohort is full"),
            RoundError::Crowded => new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Too many uploads wait",
            ),
            RoundError::OtherOperator(_) => new(
                StatusCode::FORBIDDEN,
                "other_operator",
                "Not an operator of this parent",
            ),
            RoundError::TooLarge { .. } => new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "round_too_large",
                "The round is too large for this parent",
            ),
            RoundError::TooManyExclusions(_) => new(
                StatusCode::CONFLICT,
                "exclusions",
                "Too many uploads were lost",
            ),
            RoundError::Elsewhere => new(
                StatusCode::SERVICE_UNAVAILABLE,
                "elsewhere",
                "Another parent works this",
            ),
            RoundError::RolledBack => new(
                StatusCode::CONFLICT,
                "rolled_back",
                "The storage was rolled back",
            ),
            RoundError::OtherAggregate | RoundError::DamagedSum => new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "storage",
                "Storage failed",
            ),
            RoundError::Interrupted => new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "interrupted",
                "The parent failed",
            ),
            RoundError::Unsigned(_) => new(
                StatusCode::BAD_GATEWAY,
                "enclave_garbled",
                "The enclave's reply makes no sense",
            ),
            RoundError::Schedule(ScheduleError::Unknown) => new(
                StatusCode::NOT_FOUND,
                "unknown_schedule",
                "No such scheduled round",
            ),
            RoundError::Schedule(error) => new(
                match error {
                    ScheduleError::Target { .. }
                    | ScheduleError::Deadline(_)
                    | ScheduleError::Time(_) => StatusCode::UNPROCESSABLE_ENTITY,
                    _ => StatusCode::CONFLICT,
                },
                "schedule",
                "The round is not scheduled",
            ),
            RoundError::Link(error) => error.into(),
            RoundError::Storage(error) => Self::storage(&error),
        }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        let detail = error.to_string();
        match error {
            LinkError::Refused(refusal) => Self::new(
                status_of(&refusal),
                refusal.code(),
                "The enclave refused",
                refusal.to_string(),
            ),
            LinkError::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "The enclave is busy",
                detail,
            ),
            LinkError::Unreachable { .. } | LinkError::TimedOut | LinkError::Broken(_) => {
                tracing::debug!(%error, "the enclave is out of reach");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "enclave_unreachable",
                    "The enclave is out of reach",
                    "the parent can't reach its enclave; try again later",
                )
            }
            LinkError::Frame(_) | LinkError::Garbled | LinkError::OutOfPlace(_) => Self::new(
                StatusCode::BAD_GATEWAY,
                "enclave_garbled",
                "The enclave's reply makes no sense",
                detail,
            ),
        }
    }
}

impl From<UploadRejection> for Problem {
    fn from(rejection: UploadRejection) -> Self {
        let detail = rejection.to_string();
        let new = |status, code| Self::new(status, code, "The upload is not taken", detail);
        match rejection {
            UploadRejection::Length { .. } => new(StatusCode::PAYLOAD_TOO_LARGE, "body_length"),
            UploadRejection::Header(_) => new(StatusCode::UNPROCESSABLE_ENTITY, "header"),
            UploadRejection::Shape => new(StatusCode::UNPROCESSABLE_ENTITY, "header_shape"),
            UploadRejection::OtherRound => new(StatusCode::UNPROCESSABLE_ENTITY, "round_mismatch"),
            UploadRejection::OtherClient(_) => {
                new(StatusCode::UNPROCESSABLE_ENTITY, "client_mismatch")
            }
            UploadRejection::Credential(_) => new(StatusCode::UNPROCESSABLE_ENTITY, "credential"),
            UploadRejection::Commitment => {
                new(StatusCode::UNPROCESSABLE_ENTITY, "commitment_mismatch")
            }
            UploadRejection::Padding(_) => new(StatusCode::UNPROCESSABLE_ENTITY, "padding"),
            UploadRejection::Cut => new(StatusCode::BAD_REQUEST, "upload_cut"),
            UploadRejection::Stalled => new(StatusCode::REQUEST_TIMEOUT, "upload_stalled"),
            UploadRejection::Offset { .. } => new(StatusCode::CONFLICT, "upload_offset"),
            UploadRejection::Storage(error) => Self::storage(&error),
        }
    }
}

const fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::UnknownRound => StatusCode::GONE,
        Refusal::WrongPhase { .. }
        | Refusal::CohortFull { .. }
        | Refusal::SecondContribution
        | Refusal::RepeatedKey
        | Refusal::Burned
        | Refusal::NotStaging { .. }
        | Refusal::CohortTooSmall { .. }
        | Refusal::CohortMismatch
        | Refusal::Exclusions
        | Refusal::OtherClose
        | Refusal::NoMoreOfThisBlock
        | Refusal::Unreleased { .. } => StatusCode::CONFLICT,
        Refusal::Busy | Refusal::Device | Refusal::TooManyRounds { .. } | Refusal::ShuttingDown => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// RFC 9457 §6.1.
const PROBLEM_JSON: &str = "application/problem+json";
const RETRY_SECONDS: u64 = 2;
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

#[cfg(test)]
mod tests;
