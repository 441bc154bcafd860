//! What several calls say of themselves in the interface's description.

use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::problem::Problem;

/// Bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct Binary(#[expect(dead_code, reason = "it describes")] Vec<u8>);

/// Which round.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes")]
pub(super) struct RoundPath {
    /// The round's id: 64 hexadecimal characters.
    round_id: String,
}

/// Which client of which round.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes")]
pub(super) struct ClientPath {
    /// The round's id: 64 hexadecimal characters.
    round_id: String,
    /// The client's public key: 64 hexadecimal characters.
    client_id: String,
}

/// What any call may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes")]
pub(super) enum Problems {
    /// The request is at fault, or too early or late.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Request(Problem),
    /// The parent or its enclave is at fault, or busy; with 503 `Retry-After` says when to try again.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Parent(Problem),
}
