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
