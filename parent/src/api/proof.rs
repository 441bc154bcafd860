//! `GET /v1/rounds/{round_id}/proofs/{client_id}`: that a client is in the released
//! sum, exactly once, or that it is not.

use std::sync::Arc;

use axum::extract::{Path, State};
use sealsum_protocol::messages::Phase;
use sealsum_protocol::{ClientId, canonical};

use super::answer::Cbor;
use super::described::{Binary, ClientPath, Problems};
use crate::problem::Problem;
use crate::rounds::Rounds;

/// That a client is in the released sum exactly once, or that it is not.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round_id}/proofs/{client_id}",
    tag = "auditors",
    params(ClientPath),
    responses(
        (status = 200, body = Binary, content_type = "application/cbor", description = "`CohortProof`"),
        Problems,
    ),
)]
pub(super) async fn proof(
    State(rounds): State<Arc<Rounds>>,
    Path((round_id, client_id)): Path<(String, String)>,
) -> Result<Cbor, Problem> {
    let round = super::find(&rounds, &round_id)?;
    let client: ClientId = client_id
        .parse()
        .map_err(|error| Problem::malformed(format!("the client's id: {error}")))?;
    if round.phase() != Phase::Released {
        return Err(Problem::not_released(round.phase()));
    }
    let proof = rounds.released_cohort(&round).await?.prove(&client);
    Ok(Cbor(canonical::encode(&proof)))
}
