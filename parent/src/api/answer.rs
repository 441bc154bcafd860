//! Answers and bodies that several calls share.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use sealsum_protocol::RoundId;

use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::storage::Record;

/// One canonical message.
pub(super) struct Cbor(pub(super) Vec<u8>);

impl IntoResponse for Cbor {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/cbor")], self.0).into_response()
    }
}

/// A stored record, as it is.
pub(super) async fn stored(
    rounds: &Rounds,
    round_id: RoundId,
    record: Record,
) -> Result<Option<Cbor>, Problem> {
    let stored = rounds.storage.record(round_id, record).await;
    stored
        .map(|bytes| bytes.map(Cbor))
        .map_err(|error| Problem::storage(&error))
}

/// What is said where something of a round is not there: nothing of it is any more, or `otherwise`.
pub(super) async fn missing(
    rounds: &Rounds,
    round_id: RoundId,
    otherwise: impl FnOnce() -> Problem,
) -> Problem {
    match rounds.is_kept(round_id).await {
        Ok(true) => otherwise(),
        Ok(false) => Problem::unknown_round(),
        Err(error) => Problem::storage(&error),
    }
}
