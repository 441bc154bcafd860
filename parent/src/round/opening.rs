//! Opening a round: parameters to the enclave, its keys and one evidence document kept.
//!
//! The round is on offer only once its evidence is durable: receipts can be judged
//! by it whatever becomes of the enclave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{Command, Digest, Refusal, RoundEvidence, SignedRoundParams, canonical};

use super::{Accepted, Round, RoundError};
use crate::enclave_link::LinkError;
use crate::rounds::Rounds;
use crate::schedule::{Closing, ClosingRule, StoredClosing};
use crate::storage::Record;

impl Rounds {
    /// Opens a round under these parameters.
    pub(crate) async fn open(
        self: &Arc<Self>,
        params: SignedRoundParams,
        closing: ClosingRule,
    ) -> Result<Arc<Round>, RoundError> {
        self.check_params(&params)?;
        closing.check(params.params.terms())?;
        let rounds = Arc::clone(self);
        self.run_to_the_end(async move { rounds.open_now(params, closing).await })
            .await
    }

    /// Whether rounds of these parameters are opened here.
    pub(crate) fn check_params(&self, params: &SignedRoundParams) -> Result<(), RoundError> {
        let operator = params.params.terms().operator;
        if !self.operators.is_empty() && !self.operators.contains(&operator) {
            return Err(RoundError::OtherOperator(operator));
        }
        // As the enclave would, and before anything waits in the schedule.
        if params.verify().is_err() {
            return Err(LinkError::Refused(Refusal::OperatorSignature).into());
        }
        let (found, limit) = (
            params.params.layout().total_bytes(),
            self.limits.masked_update,
        );
        if found > limit {
            return Err(RoundError::TooLarge { found, limit });
        }
        Ok(())
    }

    async fn open_now(
        &self,
        params: SignedRoundParams,
        closing: ClosingRule,
    ) -> Result<Arc<Round>, RoundError> {
        let boundary = AtomicU64::new(0);
        // While nobody answers, nothing is begun that would be to settle later.
        self.link
            .ask(&Command::Describe, Vec::new(), &boundary)
            .await?;
        // Dropped on the way out, it is settled: what was opened and is not stored is aborted.
        let begun = self.begin_opening(&params).await?;
        let binding = match self.ask_to_open(begun.id(), params, &boundary).await {
            Ok(binding) => binding,
            Err(error) => {
                if error.refusal().is_some() {
                    self.end_opening(begun).await;
                }
                return Err(error);
            }
        };
        let round = Round::new(
            self.next_sequence(),
            binding,
            Phase::Collecting,
            Accepted::Held(BTreeMap::new()),
        );
        if !closing.is_empty() {
            round.close_by(Closing::from_now(closing));
        }
        round
            .boundary
            .store(boundary.into_inner(), Ordering::Relaxed);
        self.archive(&round).await?;
        let round = Arc::new(round);
        self.insert(&round);
        self.end_opening(begun).await;
        tracing::info!(
            round_id = %round.id,
            task = %round.binding.params.params.terms().task,
            "a round opened"
        );
        Ok(round)
    }

    async fn archive(&self, round: &Round) -> Result<(), RoundError> {
        self.hold(round.id).await?;
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce).map_err(|_| RoundError::Interrupted)?;
        let evidence = RoundEvidence {
            binding: round.binding.clone(),
            evidence: self.ask_to_attest(round, Digest::new(nonce)).await?,
        };
        self.storage
            .put(round.id, Record::Evidence, canonical::encode(&evidence))
            .await?;
        if let Some(closing) = round.closing() {
            self.storage
                .put(
                    round.id,
                    Record::ClosingRule,
                    StoredClosing::encode(closing),
                )
                .await?;
        }
        // Last: it is what makes the round one.
        Ok(self.store_phase(round, Phase::Collecting).await?)
    }
}
