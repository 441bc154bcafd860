//! `PUT /v1/rounds/{round_id}/contributions/{client_id}`: a contribution in, the
//! enclave's signed acceptance out. The same one again gets the same answer.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use sealsum_protocol::{ClientId, canonical};

use super::answer::Cbor;
use crate::problem::Problem;
use crate::round::{Round, RoundError};
use crate::rounds::Rounds;
use crate::upload::{CheckedUpload, Pieces, check_announced, receive};

/// Takes a contribution. The same one again gets the same acceptance.
#[utoipa::path(put, path = "/v1/rounds/{round_id}/contributions/{client_id}", tag = "clients", params(("round_id" = String, Path, description = "The round's id: 64 hexadecimal characters"), ("client_id" = String, Path, description = "The client's public key: 64 hexadecimal characters")), request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The header's length (4 bytes, little-endian), the header, the masked update"), responses((status = 200, body = Vec<u8>, content_type = "application/cbor", description = "`Signed<Acceptance>`"), (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn contribute(
    State(rounds): State<Arc<Rounds>>,
    Path((round_id, client_id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Cbor, Problem> {
    let begun = Instant::now();
    let mut pieces = Pieces::new(body.into_data_stream(), rounds.limits.body_piece);
    let checked = async {
        let round = super::find(&rounds, &round_id)?;
        let client: ClientId = client_id
            .parse()
            .map_err(|error| Problem::malformed(format!("the client's id: {error}")))?;
        check_before_reading(&round, &client, &headers)?;
        let upload: CheckedUpload = receive(&*rounds.storage, &round, client, &mut pieces).await?;
        Ok::<_, Problem>((round, upload))
    };
    match checked.await {
        Ok((round, upload)) => {
            rounds.metrics.uploaded(upload.bytes, begun.elapsed());
            let acceptance = rounds.admit(&round, upload).await?;
            Ok(Cbor(canonical::encode(&acceptance)))
        }
        Err(problem) => {
            pieces.drain().await;
            Err(problem)
        }
    }
}

fn check_before_reading(
    round: &Round,
    client: &ClientId,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    // Who is in already may ask for the acceptance again, whatever the phase.
    if round.contribution(client).is_none() {
        round.must_be_collecting()?;
        if round.is_full() {
            return Err(RoundError::Full(round.max_cohort()).into());
        }
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    match announced {
        Some(announced) => Ok(check_announced(round, announced)?),
        // A body in chunks is counted as it comes.
        None => Ok(()),
    }
}
