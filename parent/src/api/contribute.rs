//! `PUT /v1/rounds/{round_id}/contributions/{client_id}`: a contribution in, the
//! enclave's signed acceptance out. The same one again gets the same answer. One that was cut
//! goes on with `PATCH`, from where `GET .../offset` says.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::{Extension, Json};
use sealsum_protocol::{ClientId, Digest, canonical};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::answer::Cbor;
use super::described::{Binary, ClientPath, Problems};
use crate::problem::Problem;
use crate::round::{Round, RoundError};
use crate::rounds::Rounds;
use crate::serve::Peer;
use crate::upload::{BegunUpload, CheckedUpload, Pieces, UploadRejection, check_announced};

/// Takes a contribution. The same one again gets the same acceptance.
#[utoipa::path(
    put,
    path = "/v1/rounds/{round_id}/contributions/{client_id}",
    tag = "clients",
    params(ClientPath),
    request_body(
        content = Binary,
        content_type = "application/octet-stream",
        description = "The header's length (4 bytes, big-endian), the header, the masked update",
    ),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`Signed<Acceptance>`"),
        Problems,
    ),
)]
pub(super) async fn contribute(
    State(rounds): State<Arc<Rounds>>,
    Path((round_id, client_id)): Path<(String, String)>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Cbor, Problem> {
    let begun_at = Instant::now();
    let mut pieces = Pieces::new(body.into_data_stream(), rounds.limits.body_piece);
    let checked = async {
        let (round, client) = named(&rounds, &round_id, &client_id)?;
        check_before_reading(&rounds, &round, &client).await?;
        let place = rounds.place_for_upload()?;
        if let Some(announced) = announced(&headers) {
            check_announced(&round, announced)?;
        }
        let storage = &*rounds.storage;
        let begun = BegunUpload::begin(storage, &round, client, &mut pieces).await?;
        let upload = received(&rounds, begun, peer, &mut pieces).await?;
        Ok((round, upload, place))
    };
    let checked = checked.await;
    admit(&rounds, checked, pieces, begun_at).await
}

/// Which part of an upload.
#[derive(Deserialize)]
pub(super) struct PartQuery {
    contribution: String,
    offset: u64,
}

/// Goes on with a contribution that was cut, from the offset that is there of it.
#[utoipa::path(
    patch,
    path = "/v1/rounds/{round_id}/contributions/{client_id}",
    tag = "clients",
    params(
        ClientPath,
        ("contribution" = String, Query, description = "The contribution's digest: 64 hexadecimal characters"),
        ("offset" = u64, Query, description = "How many bytes of the upload the parent said it has"),
    ),
    request_body(
        content = Binary,
        content_type = "application/octet-stream",
        description = "The upload's bytes from that offset on",
    ),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`Signed<Acceptance>`"),
        Problems,
    ),
)]
pub(super) async fn go_on(
    State(rounds): State<Arc<Rounds>>,
    Path((round_id, client_id)): Path<(String, String)>,
    peer: Option<Extension<Peer>>,
    part: Result<Query<PartQuery>, QueryRejection>,
    body: Body,
) -> Result<Cbor, Problem> {
    let begun_at = Instant::now();
    let mut pieces = Pieces::new(body.into_data_stream(), rounds.limits.body_piece);
    let checked = async {
        let Query(part) = part.map_err(|error| Problem::malformed(error.body_text()))?;
        let contribution = digest(&part.contribution)?;
        let (round, client) = named(&rounds, &round_id, &client_id)?;
        check_before_reading(&rounds, &round, &client).await?;
        let place = rounds.place_for_upload()?;
        let kept = &rounds.kept_uploads;
        let begun = kept.take(round.id(), client, contribution, part.offset);
        let begun = begun.ok_or_else(|| UploadRejection::Offset {
            asked: part.offset,
            there: kept.offset(round.id(), client, contribution),
        })?;
        let upload = received(&rounds, begun, peer, &mut pieces).await?;
        Ok((round, upload, place))
    };
    let checked = checked.await;
    admit(&rounds, checked, pieces, begun_at).await
}

/// How much there is of an upload that was cut.
#[derive(Serialize, ToSchema)]
pub(super) struct Offset {
    /// Bytes of the upload, from its beginning; 0 if nothing is kept.
    offset: u64,
}

/// Of which contribution.
#[derive(Deserialize)]
pub(super) struct OffsetQuery {
    contribution: String,
}

/// From where an upload that was cut goes on.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round_id}/contributions/{client_id}/offset",
    tag = "clients",
    params(
        ClientPath,
        ("contribution" = String, Query, description = "The contribution's digest: 64 hexadecimal characters"),
    ),
    responses(
        (status = 200, body = Offset, description = "where to go on; 0 if nothing is kept, or nothing is to be sent any more"),
        Problems,
    ),
)]
pub(super) async fn offset(
    State(rounds): State<Arc<Rounds>>,
    Path((round_id, client_id)): Path<(String, String)>,
    of: Result<Query<OffsetQuery>, QueryRejection>,
) -> Result<Json<Offset>, Problem> {
    let Query(of) = of.map_err(|error| Problem::malformed(error.body_text()))?;
    let contribution = digest(&of.contribution)?;
    let (round, client) = named(&rounds, &round_id, &client_id)?;
    let offset = rounds.kept_uploads.offset(round.id(), client, contribution);
    Ok(Json(Offset { offset }))
}

fn named(
    rounds: &Rounds,
    round_id: &str,
    client_id: &str,
) -> Result<(Arc<Round>, ClientId), Problem> {
    let round = super::find(rounds, round_id)?;
    let client = client_id
        .parse()
        .map_err(|error| Problem::malformed(format!("the client's id: {error}")))?;
    Ok((round, client))
}

fn digest(text: &str) -> Result<Digest, Problem> {
    text.parse()
        .map_err(|error| Problem::malformed(format!("the contribution's digest: {error}")))
}

async fn check_before_reading(
    rounds: &Rounds,
    round: &Round,
    client: &ClientId,
) -> Result<(), Problem> {
    // Who is in already may ask for the acceptance again, whatever the phase.
    let known = rounds.contribution(round, client).await;
    if known.map_err(|error| Problem::storage(&error))?.is_none() {
        round.must_be_collecting()?;
        if round.is_full() {
            return Err(RoundError::Full(round.max_cohort()).into());
        }
    }
    Ok(())
}

/// A body in chunks is counted as it comes.
fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The rest of an upload. What came of one that was cut is kept.
async fn received<S, E>(
    rounds: &Rounds,
    begun: BegunUpload,
    peer: Option<Extension<Peer>>,
    pieces: &mut Pieces<S>,
) -> Result<CheckedUpload, Problem>
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, E>> + Unpin,
{
    begun.go_on(pieces).await.map_err(|ended| {
        let kept = &rounds.kept_uploads;
        if let Some(begun) = ended.begun {
            kept.keep(begun, peer.map(|Extension(peer)| peer.address.ip()));
        }
        if matches!(&ended.rejection, UploadRejection::Storage(error) if error.is_full()) {
            // Whoever tries again goes before those who may come back.
            kept.forget_all();
        }
        ended.rejection.into()
    })
}

async fn admit<S, E>(
    rounds: &Arc<Rounds>,
    checked: Result<(Arc<Round>, CheckedUpload, OwnedSemaphorePermit), Problem>,
    pieces: Pieces<S>,
    begun_at: Instant,
) -> Result<Cbor, Problem>
where
    S: futures_util::Stream<Item = Result<bytes::Bytes, E>> + Unpin,
{
    match checked {
        Ok((round, upload, place)) => {
            rounds.metrics.uploaded(upload.bytes, begun_at.elapsed());
            let acceptance = rounds.admit(&round, upload, place).await?;
            Ok(Cbor(canonical::encode(&acceptance)))
        }
        Err(problem) => {
            pieces.drain().await;
            Err(problem)
        }
    }
}
