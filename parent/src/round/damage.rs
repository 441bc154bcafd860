//! What storage says that the enclave never said: it was edited, or rolled back to an earlier state.
//!
//! No harm to privacy can come of it, since the enclave goes by its own memory. Here the parent finds
//! what is wrong, says so, and goes on with the rest where it can.

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{Acceptance, ClientId, Signed, canonical};

use super::{Round, RoundError};
use crate::rounds::Rounds;
use crate::storage::Record;

impl Rounds {
    /// Leaves out clients whose stored acceptance the enclave did not sign. Says whether there
    /// were any. Asked only if the enclave's cohort is another one: a signature takes as long to verify as
    /// thousands of records to read.
    pub(super) async fn forget_strangers(&self, round: &Round) -> Result<bool, RoundError> {
        let mut found = false;
        for client in round.accepted().into_keys() {
            let record = Record::Acceptance(client);
            let stored = self.storage.record(round.id, record).await?;
            if is_of(round, &client, &stored.unwrap_or_default()) {
                continue;
            }
            tracing::error!(
                round_id = %round.id,
                %client,
                "the stored acceptance is not the enclave's: storage was edited or is damaged, and the client is left out"
            );
            self.storage.remove(round.id, record).await?;
            round.forget(&client);
            found = true;
        }
        Ok(found)
    }

    /// A phase without the proof that goes with it: the enclave is asked for it again.
    pub(super) async fn check_proof_of_end(&self, round: &Round) -> Result<(), RoundError> {
        let proof = match round.phase() {
            Phase::Released => Record::Receipt,
            Phase::Aborted => Record::AbortReceipt,
            _ => return Ok(()),
        };
        if self.storage.record(round.id, proof).await?.is_none() {
            tracing::error!(
                round_id = %round.id,
                phase = %round.phase(),
                missing = ?proof,
                "storage was edited or rolled back: the round has ended, and its proof is gone; the enclave is asked for it"
            );
            round.set_phase(Phase::Releasing);
        }
        Ok(())
    }
}

fn is_of(round: &Round, client: &ClientId, stored: &[u8]) -> bool {
    canonical::decode::<Signed<Acceptance>>(stored)
        .ok()
        .and_then(|acceptance| {
            let signed = acceptance
                .verify(&round.binding.receipt_key, &round.id)
                .ok()?;
            Some(
                signed.client == *client && round.contribution(client) == Some(signed.contribution),
            )
        })
        .unwrap_or(false)
}
