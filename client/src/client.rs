//! A data holder in one value: parent, identity's ledger, policy, clock.

use sealsum_attestation::ChainCache;
use sealsum_protocol::RoundId;

use crate::clock::Clock;
use crate::collect::{CollectRefused, VerifiedAggregate, collect};
use crate::contribute::{AttestedRound, ContributeRefused, Contributed};
use crate::identity::Identity;
use crate::join::{JoinRefused, join};
use crate::ledger::{Ledger, LedgerError};
use crate::member::Member;
use crate::parent::{Parent, Target};
use crate::policy::RoundPolicy;
use crate::update::{BaseModel, Update};

/// A data holder that takes part in rounds. Its ledger is locked as long as this lives.
pub struct Client {
    pub(crate) parent: Parent,
    pub(crate) ledger: Ledger,
    pub(crate) policy: RoundPolicy,
    pub(crate) clock: Clock,
    pub(crate) member: Option<Member>,
    /// Of the machines whose evidence it has judged: a site that takes part in many rounds verifies
    /// the certificates above the leaf once.
    pub(crate) chains: ChainCache,
}

impl Client {
    /// Opens the identity's ledger of the policy's trust.
    ///
    /// # Errors
    /// [`LedgerError`] if it is missing, foreign, or in use.
    pub fn new(
        parent: Parent,
        identity: &Identity,
        policy: RoundPolicy,
        clock: Clock,
    ) -> Result<Self, LedgerError> {
        let ledger = Ledger::open(identity, policy.appraisal().trust())?;
        Ok(Self {
            parent,
            ledger,
            policy,
            clock,
            member: None,
            chains: ChainCache::new(),
        })
    }

    /// The same, with a place in a registry, to take part in rounds that go by it. Under open
    /// admission the place is not used.
    #[must_use]
    pub fn with_member(self, member: Member) -> Self {
        Self {
            member: Some(member),
            ..self
        }
    }

    /// What this data set has spent.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Joins a round: fresh evidence appraised, parameters judged against the policy and the base
    /// model in hand. `mock` has to be said for a mock's policy, and for no other.
    ///
    /// # Errors
    /// [`JoinRefused`]. Nothing was recorded or sent.
    pub async fn join(
        &mut self,
        target: &Target,
        base_model: BaseModel,
        mock: bool,
    ) -> Result<AttestedRound<'_>, JoinRefused> {
        self.policy.trust(mock)?;
        let (parent, policy, clock) = (&self.parent, &self.policy, self.clock);
        let joined = join(parent, policy, target, &base_model, clock, &mut self.chains);
        let judged = joined.await?;
        Ok(AttestedRound {
            client: self,
            judged,
            base_model,
        })
    }

    /// Sends the stored bytes of an earlier contribution to this round again; `None` if there is
    /// none. Needs no fresh evidence: they were sealed when it was fresh, and spent. `update` and
    /// `weight` have to be those that were sealed.
    ///
    /// # Errors
    /// [`ContributeRefused`].
    pub async fn resend(
        &mut self,
        round_id: &RoundId,
        (update, weight): (&Update, u32),
        mock: bool,
        progress: impl Fn(u64, u64) + Clone + Send + Sync + 'static,
    ) -> Result<Option<Contributed>, ContributeRefused> {
        self.policy.trust(mock).map_err(JoinRefused::from)?;
        self.deliver_again(round_id, update, weight, progress).await
    }

    /// Collects a released round, this site's own membership included.
    ///
    /// # Errors
    /// [`CollectRefused`]; nothing of what the parent served is to be used then.
    pub async fn collect(
        &mut self,
        round_id: &RoundId,
        mock: bool,
        progress: impl Fn(u64, u64),
    ) -> Result<VerifiedAggregate, CollectRefused> {
        let ledger = Some(&mut self.ledger);
        collect(&self.parent, &self.policy, ledger, round_id, mock, progress).await
    }
}

#[cfg(test)]
mod tests;
