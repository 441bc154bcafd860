//! Aborting: nothing was released, and the enclave signs that it erased the keys.
//! That signature frees the clients' ledgers, so it is stored before anyone has it.

use std::sync::Arc;

use sealsum_protocol::messages::{Abort, Phase};
use sealsum_protocol::{AbortReceipt, Command, Reply, Signed, canonical};

use super::{Round, RoundError};
use crate::enclave_link::LinkError;
use crate::rounds::Rounds;
use crate::storage::Record;

impl Rounds {
    /// Aborts a round of which nothing was released. Asked again, it gives the same
    /// abort receipt.
    pub(crate) async fn abort(self: &Arc<Self>, round: &Arc<Round>) -> Result<Vec<u8>, RoundError> {
        let (rounds, round) = (Arc::clone(self), Arc::clone(round));
        self.run_to_the_end(async move { rounds.abort_now(&round).await })
            .await
    }

    async fn abort_now(&self, round: &Round) -> Result<Vec<u8>, RoundError> {
        // A close under way ends first; then the enclave knows whether a block is out.
        let mut release = round.release.lock().await;
        let _gate = round.intake_gate.write().await;
        let stored = self.storage.record(round.id, Record::AbortReceipt).await?;
        if let Some(receipt) = stored {
            return Ok(receipt);
        }
        match round.phase() {
            Phase::Collecting | Phase::Releasing => {}
            phase => return Err(RoundError::from_phase(phase)),
        }
        let command = Command::Abort(Abort { round_id: round.id });
        let receipt: Signed<AbortReceipt> = match self.ask(round, command, Vec::new()).await?.reply
        {
            Reply::Aborted(receipt) => receipt,
            _ => return Err(LinkError::OutOfPlace("abort").into()),
        };
        receipt
            .verify(&round.binding.receipt_key, &round.id)
            .map_err(|_| RoundError::Unsigned("abort receipt"))?;
        let receipt = canonical::encode(&receipt);
        self.storage
            .put(round.id, Record::AbortReceipt, receipt.clone())
            .await?;
        *release = None;
        self.enter(round, Phase::Aborted).await?;
        self.discard_uploads(round).await;
        Ok(receipt)
    }
}
