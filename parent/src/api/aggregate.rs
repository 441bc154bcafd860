//! `GET /v1/rounds/{round_id}/aggregate`: packed blocks, one after the other.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use sealsum_protocol::messages::Phase;

use super::answer::missing;
use super::described::{Binary, Problems, RoundPath};
use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::storage::{Blob, StoredBlob};

/// The released sum: packed blocks, one after the other.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round_id}/aggregate",
    tag = "auditors",
    params(RoundPath),
    responses(
        (status = 200, body = Binary, content_type = "application/octet-stream", description = "the sum, packed as docs/PROTOCOL.md has it"),
        Problems,
    ),
)]
pub(super) async fn aggregate(
    State(rounds): State<Arc<Rounds>>,
    Path(round_id): Path<String>,
) -> Result<Response, Problem> {
    let round = super::find(&rounds, &round_id)?;
    if round.phase() != Phase::Released {
        return Err(Problem::not_released(round.phase()));
    }
    let stored = rounds
        .storage
        .blob(round.id(), Blob::Aggregate)
        .await
        .map_err(|error| Problem::storage(&error))?;
    let not_released = || Problem::not_released(round.phase());
    let Some(stored) = stored else {
        return Err(missing(&rounds, round.id(), not_released).await);
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, stored.bytes.to_string()),
    ];
    let body = Body::from_stream(pieces(stored));
    Ok((headers, body).into_response())
}

fn pieces(stored: StoredBlob) -> impl Stream<Item = io::Result<Bytes>> + Send {
    try_unfold((stored, 0), |(stored, offset)| async move {
        let bytes = (stored.bytes - offset).min(PIECE);
        if bytes == 0 {
            return Ok(None);
        }
        let piece = stored.read(offset, bytes as usize).await?;
        Ok(Some((Bytes::from(piece), (stored, offset + bytes))))
    })
}

/// Enough that going to the disk costs little beside reading.
const PIECE: u64 = 256 * 1024;
