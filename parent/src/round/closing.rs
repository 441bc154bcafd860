//! Closing: the cohort is fixed, the aggregate taken out block by block, the receipt
//! stored, and the enclave told to erase.
//!
//! Each step is durable before the next begins and may be repeated, so a close that
//! was cut anywhere goes on where it stood. What the enclave fixed, it fixed: the
//! parent only finds its way back.

use std::sync::Arc;

use sealsum_protocol::messages::{Acknowledge, Close, EXCLUSION_LIMIT, Finish, Phase};
use sealsum_protocol::{Command, Intake, Receipt, Refusal, Reply, Signed, canonical};

use super::admission::is_final;
use super::{Round, RoundError};
use crate::enclave_link::LinkError;
use crate::presum;
use crate::rounds::Rounds;
use crate::storage::{Blob, Record, StorageError};
use crate::summary::RoundSummary;

impl Rounds {
    /// Closes and releases. Whoever asks while it is under way waits for the same end.
    pub(crate) async fn close(
        self: &Arc<Self>,
        round: &Arc<Round>,
    ) -> Result<RoundSummary, RoundError> {
        let (rounds, round) = (Arc::clone(self), Arc::clone(round));
        self.run_to_the_end(async move { rounds.close_now(&round).await })
            .await
    }

    async fn close_now(&self, round: &Round) -> Result<RoundSummary, RoundError> {
        let mut release = round.release.lock().await;
        match round.phase() {
            Phase::Released => return Ok(round.summary()),
            Phase::Collecting | Phase::Releasing => {}
            phase => return Err(RoundError::from_phase(phase)),
        }
        // A release that an earlier run of this parent began, or one that was cut in this run.
        let is_begun = round.phase() == Phase::Releasing;
        let stored = self.storage.record(round.id, Record::Receipt).await?;
        if stored.is_none() {
            let close = self.fix_cohort(round).await?;
            self.release_blocks(round, &close, is_begun, &mut release)
                .await?;
            self.take_receipt(round).await?;
        }
        self.acknowledge(round).await;
        self.enter(round, Phase::Released).await?;
        self.discard_uploads(round).await;
        Ok(round.summary())
    }

    /// No upload is half in while the cohort is read and fixed.
    async fn fix_cohort(&self, round: &Round) -> Result<Close, RoundError> {
        let _gate = round.intake_gate.write().await;
        if let Some(close) = self.stored_close(round).await? {
            match self.send_close(round, &close, true).await {
                // Contributions came in between; a new close counts them.
                Err(error) if error.refusal() == Some(Refusal::CohortMismatch) => {}
                done => return done.map(|()| close),
            }
        }
        self.settle_all(round).await?;
        match self.close_anew(round).await {
            // Either the enclave counts others, or storage names some that it never accepted.
            Err(error) if is_another_cohort(&error) && self.forget_strangers(round).await? => {
                self.settle_all(round).await?;
                self.close_anew(round).await
            }
            done => done,
        }
    }

    async fn close_anew(&self, round: &Round) -> Result<Close, RoundError> {
        let close = self.plan_close(round).await?;
        self.storage
            .put(round.id, Record::Closing, canonical::encode(&close))
            .await?;
        self.send_close(round, &close, false).await?;
        Ok(close)
    }

    pub(super) async fn stored_close(&self, round: &Round) -> Result<Option<Close>, RoundError> {
        let stored = self.storage.record(round.id, Record::Closing).await?;
        let decoded = stored.map(|bytes| canonical::decode(&bytes)).transpose();
        Ok(decoded.map_err(|_| StorageError::Damaged {
            round_id: round.id,
            record: Record::Closing,
        })?)
    }

    /// Uploads that were stored and never answered: the enclave decides each now.
    async fn settle_all(&self, round: &Round) -> Result<(), RoundError> {
        for client in self.storage.uploads(round.id).await? {
            if round.contribution(&client).is_some() {
                continue;
            }
            match self.settle(round, client).await {
                Ok(_) => {}
                Err(error) if error.refusal().is_some_and(|refusal| is_final(&refusal)) => {
                    tracing::info!(round_id = %round.id, %client, %error, "an upload stays out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn plan_close(&self, round: &Round) -> Result<Close, RoundError> {
        round.fix_exclusions(Vec::new());
        let (sum_root, excluded) = match round.intake() {
            Intake::Stream => (None, Vec::new()),
            Intake::Presum => {
                let members = round.accepted();
                let sum = presum::sum(&*self.storage, round.id, round.layout, members).await?;
                (Some(sum.root), sum.excluded)
            }
        };
        if excluded.len() > EXCLUSION_LIMIT {
            return Err(RoundError::TooManyExclusions(excluded.len()));
        }
        round.fix_exclusions(excluded.clone());
        Ok(Close {
            round_id: round.id,
            cohort_root: round.cohort().root(),
            sum_root,
            excluded,
        })
    }

    async fn send_close(
        &self,
        round: &Round,
        close: &Close,
        again: bool,
    ) -> Result<(), RoundError> {
        let answer = self
            .ask(round, Command::Close(close.clone()), Vec::new())
            .await;
        let cohort_size = match answer.map(|answer| answer.reply) {
            Ok(Reply::Closed(closed)) if closed.blocks == round.layout.blocks() => {
                closed.cohort_size
            }
            Ok(_) => return Err(LinkError::OutOfPlace("close").into()),
            Err(error) => match error.refusal() {
                // The receipt is signed already; it was this close.
                Some(Refusal::WrongPhase {
                    phase: Phase::Releasing | Phase::Released,
                }) if again => {
                    if !self.has_aggregate(round).await? {
                        return Err(self.rolled_back(round));
                    }
                    round.fix_exclusions(close.excluded.clone());
                    u32::try_from(round.cohort().size()).unwrap_or(u32::MAX)
                }
                Some(Refusal::Busy | Refusal::Device) | None => return Err(error),
                Some(refusal) => {
                    round.fix_exclusions(Vec::new());
                    self.storage.remove(round.id, Record::Closing).await?;
                    return Err(match refusal {
                        Refusal::OtherClose
                        | Refusal::WrongPhase {
                            phase: Phase::Releasing | Phase::Released,
                        } => self.rolled_back(round),
                        _ => error,
                    });
                }
            },
        };
        round.fix_exclusions(close.excluded.clone());
        round.fix_cohort_size(cohort_size);
        self.enter(round, Phase::Releasing).await
    }

    async fn take_receipt(&self, round: &Round) -> Result<(), RoundError> {
        let command = Command::Finish(Finish { round_id: round.id });
        let receipt: Signed<Receipt> = match self.ask(round, command, Vec::new()).await?.reply {
            Reply::Receipt(receipt) => *receipt,
            _ => return Err(LinkError::OutOfPlace("finish").into()),
        };
        let signed = receipt
            .verify(&round.binding.receipt_key, &round.id)
            .map_err(|_| RoundError::Unsigned("receipt"))?;
        if self.aggregate_root(round).await? != Some(signed.aggregate) {
            self.forget_parts(round).await?;
            self.storage.remove_blob(round.id, Blob::Aggregate).await?;
            return Err(RoundError::OtherAggregate);
        }
        self.storage
            .put(round.id, Record::Receipt, canonical::encode(&receipt))
            .await?;
        Ok(())
    }

    /// If it does not get through, the enclave erases the round at its time-out.
    async fn acknowledge(&self, round: &Round) {
        let command = Command::Acknowledge(Acknowledge { round_id: round.id });
        let answer = self.link.ask(&command, Vec::new(), round.boundary()).await;
        if let Err(error) = answer {
            tracing::warn!(round_id = %round.id, %error, "the receipt was not acknowledged");
        }
    }
}

/// Whether the enclave's cohort is not what the acceptances in storage say.
fn is_another_cohort(error: &RoundError) -> bool {
    matches!(
        error.refusal(),
        Some(Refusal::CohortMismatch | Refusal::Exclusions)
    )
}
