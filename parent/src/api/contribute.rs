//! `PUT /v1/rounds/{round_id}/contributions/{client_id}`: a contribution in, the
//! enclave's signed acceptance out. The same one again gets the same answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use sealsum_protocol::{ClientId, canonical};

use super::answer::Cbor;
use crate::problem::Problem;
use crate::round::{Round, RoundError};
use crate::rounds::Rounds;
use crate::upload::{CheckedUpload, Pieces, check_announced, receive};

pub(super) async fn contribute(
    State(rounds): State<Arc<Rounds>>,
    Path((round_id, client_id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Cbor, Problem> {
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
