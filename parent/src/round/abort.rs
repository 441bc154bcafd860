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

    /// At the parent's own end: aborts every round that collects. One that is being
    /// closed or released goes on (I13). What fails stays as it is for the next start.
    pub(crate) async fn abort_collecting(self: &Arc<Self>) {
        for round in self.list() {
            let closing = round.release.try_lock().is_err();
            if closing || round.phase() != Phase::Collecting {
                continue;
            }
            match self.abort(&round).await {
                Ok(_) => {}
                Err(error @ (RoundError::Link(LinkError::Refused(_)) | RoundError::Lost)) => {
                    tracing::warn!(round_id = %round.id, %error, "a round was not aborted");
                }
                Err(error) => {
                    tracing::warn!(round_id = %round.id, %error, "a round was not aborted, and no further one is tried");
                    return;
                }
            }
        }
    }

    async fn abort_now(&self, round: &Round) -> Result<Vec<u8>, RoundError> {
        // A close under way ends first; then the enclave knows whether a block is out.
        let mut release = round.release.lock().await;
        let _gate = round.intake_gate.write().await;
        round.must_be_kept()?;
        let stored = self.storage.record(round.id, Record::AbortReceipt).await?;
        if let Some(receipt) = stored {
            return Ok(receipt);
        }
        self.hold(round.id).await?;
        let lost = match round.phase() {
            Phase::Collecting | Phase::Releasing => false,
            // Given up for its silence, the enclave may be back, and its proof counts.
            Phase::Lost => true,
            phase => return Err(RoundError::from_phase(phase)),
        };
        let command = Command::Abort(Abort { round_id: round.id });
        let answer = self.ask(round, command, Vec::new()).await;
        let receipt: Signed<AbortReceipt> = match answer.map(|answer| answer.reply) {
            Ok(Reply::Aborted(receipt)) => receipt,
            Err(_) if lost => return Err(RoundError::Lost),
            Err(error) => return Err(error),
            Ok(_) => return Err(LinkError::OutOfPlace("abort").into()),
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
