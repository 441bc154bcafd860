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
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::problem::Problem;
use crate::rounds::Rounds;
use crate::storage::Blob;

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
        .map_err(|error| Problem::storage(&error))?
        .ok_or_else(|| Problem::not_released(round.phase()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, stored.bytes.to_string()),
    ];
    let body = Body::from_stream(pieces(stored.reader));
    Ok((headers, body).into_response())
}

fn pieces(
    reader: Box<dyn AsyncRead + Send + Unpin>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    try_unfold(reader, |mut reader| async move {
        let mut piece = vec![0; PIECE];
        let read = reader.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), reader)))
    })
}

const PIECE: usize = 64 * 1024;
