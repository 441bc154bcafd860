//! Contributing: from an appraised round and an update to the enclave's signed yes.
//!
//! The order is what matters (I11, I15): free by proof what is in the way, renew the evidence if it
//! aged, ask the ledger, encode and seal, commit, and only then send. A contribution that was committed
//! before is never made anew; its stored bytes are sent again, for the same update only.

mod refused;

use sealsum_attestation::Trust;
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::{Acceptance, ClientId, Encoding, Number, RoundId, SealError};

use crate::client::Client;
use crate::join::{JoinRefused, Judged, join};
use crate::ledger::{LedgerError, RecordState, SpendRefused, SpentContribution};
use crate::parent::Target;
use crate::random;
use crate::refund::{RefundFailed, RefundProof, refund};
use crate::seal::{SealRefused, seal};
use crate::update::{BaseModel, Update, Values, check_layout};

pub use refused::{ContributeRefused, EncodeRefused};

/// A round whose enclave is appraised and whose parameters this site accepts.
#[must_use]
pub struct AttestedRound<'client> {
    pub(crate) client: &'client mut Client,
    pub(crate) judged: Judged,
    pub(crate) base_model: BaseModel,
}

/// What a contribution is made with besides the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContributeOptions {
    /// This site's weight; 1 unless the rule is a weighted mean.
    pub weight: u32,
    /// What to do with a value beyond the clip.
    pub out_of_range: OutOfRange,
    /// Whether to ask the parent for the proof that frees an earlier round which is in the way.
    pub refund: bool,
}

/// A contribution that the enclave holds.
#[derive(Clone, Debug)]
pub struct Contributed {
    /// The enclave's word, verified.
    pub acceptance: Acceptance,
    /// Elements that were beyond the clip and clamped.
    pub clamped: u64,
    /// Whether these were the bytes of an earlier call, sent again or accepted already.
    pub resent: bool,
    /// Whether what was sealed is known to be of the update given now. Always, but for what was
    /// sealed by a version that kept nothing to compare with.
    pub compared: bool,
    /// Earlier rounds that were in the way, and the proofs that freed them.
    pub refunded: Vec<(RoundId, RefundProof)>,
    /// Bytes that this call uploaded; 0 if the enclave had accepted them already.
    pub uploaded_bytes: u64,
    /// Contributions left in the budget.
    pub budget_left: u32,
    /// What the verdict on the enclave is worth.
    pub trust: Trust,
}

impl AttestedRound<'_> {
    /// The round.
    #[must_use]
    pub fn round_id(&self) -> RoundId {
        self.judged.enclave.round_id()
    }

    /// Its parameters.
    #[must_use]
    pub fn params(&self) -> &sealsum_protocol::RoundParams {
        self.judged.terms.params()
    }

    /// This site's id in it.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client.ledger.client_id()
    }

    /// What the verdict on its enclave is worth.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.judged.enclave.trust()
    }

    /// Seals and spends the update, and uploads it. `progress` is told bytes sent and bytes in all.
    ///
    /// # Errors
    /// [`ContributeRefused`]. Before [`ContributeRefused::Undelivered`] and
    /// [`ContributeRefused::Acceptance`] nothing was recorded; with these two, the
    /// contribution is spent and the same call sends its stored bytes again.
    pub async fn contribute(
        mut self,
        update: &Update,
        options: ContributeOptions,
        progress: impl Fn(u64, u64) + Clone + Send + Sync + 'static,
    ) -> Result<Contributed, ContributeRefused> {
        let round_id = self.round_id();
        let again = self
            .client
            .deliver_again(&round_id, update, options.weight, progress.clone())
            .await?;
        if let Some(contributed) = again {
            return Ok(contributed);
        }
        let (refunded, failed) = if options.refund {
            self.free_by_proof().await?
        } else {
            (Vec::new(), None)
        };
        self.renew().await?;
        let spent = match (self.spend(update, options), failed) {
            (Err(ContributeRefused::Spend(SpendRefused::SpentBefore(before))), Some(failed)) => {
                return Err(ContributeRefused::NotFreed { before, failed });
            }
            (spent, _) => spent?,
        };
        let delivered = self.client.deliver(spent, progress).await?;
        Ok(Contributed {
            refunded,
            ..delivered
        })
    }

    /// Frees earlier rounds that are in the way, each by its own proof and the ledger's verdict on
    /// it. What the parent merely says changes nothing; what it can't prove stays spent.
    async fn free_by_proof(
        &mut self,
    ) -> Result<(Vec<(RoundId, RefundProof)>, Option<Box<RefundFailed>>), LedgerError> {
        let round = self.judged.terms.params().terms();
        let Client { parent, ledger, .. } = &mut *self.client;
        let mut refunded = Vec::new();
        let mut failed = None;
        for earlier in ledger.in_the_way(round, &self.base_model)? {
            match refund(parent, ledger, &earlier.round_id).await {
                Ok(proof) => refunded.push((earlier.round_id, proof)),
                Err(error) => failed = Some(Box::new(error)),
            }
        }
        Ok((refunded, failed))
    }

    /// Evidence older than the policy's max_age is asked for anew, about the same round.
    async fn renew(&mut self) -> Result<(), JoinRefused> {
        // Each field by itself: a ledger is not to be shared between threads, and a reference to
        // the whole client across an await would tie this future to one.
        let Client {
            parent,
            policy,
            clock,
            chains,
            ..
        } = &mut *self.client;
        let Judged { enclave, terms } = &self.judged;
        if enclave.is_fresh(clock(), terms.clock_skew()) {
            return Ok(());
        }
        let target = Target::Round(enclave.round_id());
        let renewed = join(parent, policy, &target, &self.base_model, *clock, chains);
        self.judged = renewed.await?;
        Ok(())
    }

    /// Reserves, encodes and seals, commits: no await in between.
    fn spend(
        &mut self,
        update: &Update,
        options: ContributeOptions,
    ) -> Result<SpentContribution, ContributeRefused> {
        let schema = &self.judged.terms.params().terms().schema;
        check_layout(update, &self.base_model, schema)?;
        match update.values() {
            Values::Single(values) => self.spend_values(update, values, options),
            Values::Double(values) => self.spend_values(update, values, options),
        }
    }

    fn spend_values<V: Number>(
        &mut self,
        update: &Update,
        values: &[V],
        options: ContributeOptions,
    ) -> Result<SpentContribution, ContributeRefused> {
        let Judged { enclave, terms } = &self.judged;
        let params = terms.params();
        let refused = |error| EncodeRefused::of(error, update.schema());
        let encoding = Encoding::new(
            params,
            values,
            options.weight,
            options.out_of_range,
            &RoundingSeed::new(*random::secret()),
        )
        .map_err(refused)?;
        let now = (self.client.clock)();
        let fingerprint = self.client.ledger.fingerprint(update, options.weight);
        let debit = self.client.ledger.reserve(
            terms,
            &self.client.policy,
            &self.base_model,
            fingerprint,
        )?;
        let member = self.client.member.as_ref();
        let sealed = match seal(enclave, terms, debit, encoding, member, now) {
            Err(SealRefused::Seal(SealError::Encode(error))) => return Err(refused(error).into()),
            sealed => sealed?,
        };
        sealed.commit().map_err(ContributeRefused::Ledger)
    }
}

impl Client {
    /// Sends the stored bytes of a contribution again, or says that it was accepted; `None` if
    /// this site has none for that round.
    pub(crate) async fn deliver_again(
        &mut self,
        round_id: &RoundId,
        update: &Update,
        weight: u32,
        progress: impl Fn(u64, u64) + Clone + Send + Sync + 'static,
    ) -> Result<Option<Contributed>, ContributeRefused> {
        let Some(record) = self.ledger.record(round_id)? else {
            return Ok(None);
        };
        if record.state == RecordState::Refunded {
            return Err(SpendRefused::SealedBefore(*round_id).into());
        }
        let compared = match self.ledger.was_sealed(round_id, update, weight)? {
            Some(false) => return Err(ContributeRefused::OtherUpdate(Box::new(record))),
            Some(true) => true,
            None => false,
        };
        if let Some(acceptance) = record.acceptance {
            return Ok(Some(Contributed {
                // Verified when it was stored.
                acceptance: acceptance.unverified().clone(),
                clamped: record.clamped,
                resent: true,
                compared,
                refunded: Vec::new(),
                uploaded_bytes: 0,
                budget_left: self.budget_left()?,
                trust: self.ledger.trust(),
            }));
        }
        match self.ledger.stored(round_id)? {
            Some(spent) => {
                let delivered = self.deliver(spent, progress).await?;
                Ok(Some(Contributed {
                    resent: true,
                    compared,
                    ..delivered
                }))
            }
            None => Err(SpendRefused::SealedBefore(*round_id).into()),
        }
    }

    async fn deliver(
        &mut self,
        spent: SpentContribution,
        progress: impl Fn(u64, u64) + Clone + Send + Sync + 'static,
    ) -> Result<Contributed, ContributeRefused> {
        let round_id = spent.round_id();
        let sent = self.parent.contribute(&spent, progress).await;
        let signed = sent.map_err(|error| ContributeRefused::Undelivered { round_id, error })?;
        let acceptance = self.ledger.record_acceptance(&round_id, &signed)?;
        Ok(Contributed {
            acceptance,
            clamped: spent.clamped(),
            resent: false,
            compared: true,
            refunded: Vec::new(),
            uploaded_bytes: spent.upload().iter().map(|part| part.len() as u64).sum(),
            budget_left: self.budget_left()?,
            trust: self.ledger.trust(),
        })
    }

    pub(crate) fn budget_left(&self) -> Result<u32, LedgerError> {
        let budget = self.policy.terms().budget.contributions;
        Ok(budget.saturating_sub(self.ledger.used()?))
    }
}
