//! Collecting: the only state that accepts contributions.
//!
//! One contribution per client (I4); what is half-sent or refused leaves no trace in
//! the sum (I9); the single-shot refusals burn the client's id (I14). Closing fixes
//! the cohort, at or above the minimum (I2), and consumes this state (I3).

mod batch;

use std::collections::{BTreeMap, BTreeSet};

use sealsum_protocol::label;
use sealsum_protocol::messages::{Close, EXCLUSION_LIMIT, StageBlock};
use sealsum_protocol::receipt::{AbortReceipt, Acceptance};
use sealsum_protocol::{
    Admission, ClientId, Cohort, ContributionHeader, Digest, FLOOR, Intake, Refusal, Reply,
    RoundBinding, RoundId, RoundParams, Signed, UpperNodes,
};

use super::releasing::{Releasing, Source};
use crate::accepted::{AcceptedContribution, OpenedContribution};
use crate::enclave::ConnectionId;
use crate::memory::{BURNED_LIMIT, Reservation};
use crate::opening::RoundKeys;
use crate::secret_blocks::SecretBlocks;
use crate::staging::StagedContribution;

/// A round that takes contributions.
pub(crate) struct Collecting {
    round_id: RoundId,
    binding: RoundBinding,
    keys: RoundKeys,
    accepted: BTreeMap<ClientId, AcceptedContribution>,
    /// Digests of the encapsulated keys of all contributions that opened.
    seen_keys: BTreeSet<Digest>,
    burned: BTreeSet<ClientId>,
    /// Of the registry, as the credentials of `presum` have shown them.
    upper_nodes: UpperNodes,
    /// The sum so far; `None` in `presum`, where no update comes in.
    sum: Option<SecretBlocks>,
    staged: Option<StagedContribution>,
    reservation: Reservation,
}

impl Collecting {
    pub(crate) fn new(keys: RoundKeys, binding: RoundBinding, reservation: Reservation) -> Self {
        let params = &binding.params.params;
        let sum = match params.terms().intake {
            Intake::Stream => Some(SecretBlocks::zeros(params.layout())),
            Intake::Presum => None,
        };
        Self {
            round_id: binding.round_id(),
            upper_nodes: UpperNodes::of(&params.terms().admission),
            binding,
            keys,
            accepted: BTreeMap::new(),
            seen_keys: BTreeSet::new(),
            burned: BTreeSet::new(),
            sum,
            staged: None,
            reservation,
        }
    }

    /// Takes a header: accepts it (`presum`) or begins to stage its blocks (`stream`).
    pub(crate) fn contribute(
        &mut self,
        connection: ConnectionId,
        header: ContributionHeader,
    ) -> Result<Reply, Refusal> {
        if let Some(earlier) = self.earlier(&header)? {
            return Ok(Reply::Accepted(self.acceptance(header.client, earlier)));
        }
        self.check_newcomer(connection, &header)?;
        let client = header.client;
        let key = key_digest(&header);
        let opened = self
            .open(header)
            .map_err(|refusal| self.burn(client, key, refusal))?;
        if self.sum.is_none() {
            return Ok(self.accept(client, key, opened.keep_seed()));
        }
        let staged = StagedContribution::begin(connection, opened, self.params());
        let staging = staged.staging();
        self.staged = Some(staged);
        Ok(Reply::Staging(staging))
    }

    /// Takes the next block of the staged contribution; the last one completes it.
    pub(crate) fn stage(
        &mut self,
        connection: ConnectionId,
        block: &StageBlock,
        bytes: &[u8],
    ) -> Result<Reply, Refusal> {
        if self.sum.is_none() {
            return Err(Refusal::WrongIntake);
        }
        let params = &self.binding.params.params;
        let Some(staged) = self
            .staged
            .as_mut()
            .filter(|staged| staged.connection() == connection)
        else {
            return Err(Refusal::NotStaging { next: 0 });
        };
        if !staged.awaits(connection, block) {
            return Err(Refusal::NotStaging {
                next: staged.staging().next,
            });
        }
        let pushed = staged.push(bytes, params);
        if let Err(refusal @ Refusal::BlockLength { .. }) = pushed {
            return Err(refusal);
        }
        if pushed.is_ok() && !staged.is_whole(params) {
            return Ok(Reply::Staging(staged.staging()));
        }
        let client = staged.opened().header().client;
        let key = key_digest(staged.opened().header());
        let (Some(staged), Some(sum)) = (self.staged.take(), self.sum.as_mut()) else {
            return Err(Refusal::NotStaging { next: 0 });
        };
        match pushed.and_then(|()| staged.check(params)) {
            Ok(checked) => {
                let accepted = checked.add_to(sum);
                Ok(self.accept(client, key, accepted))
            }
            Err(refusal) => Err(self.burn(client, key, refusal)),
        }
    }

    /// The connection is gone: so is what it was staging.
    pub(crate) fn disconnect(&mut self, connection: ConnectionId) {
        self.staged
            .take_if(|staged| staged.connection() == connection);
    }

    /// Whether the round can be closed like this, and with which cohort. Changes nothing.
    pub(crate) fn check_close(&self, close: &Close) -> Result<Cohort, Refusal> {
        let presum = self.sum.is_none();
        if close.sum_root.is_some() != presum || (!presum && !close.excluded.is_empty()) {
            return Err(Refusal::WrongIntake);
        }
        let sorted = close.excluded.is_sorted_by(|a, b| a < b);
        let accepted = close
            .excluded
            .iter()
            .all(|client| self.accepted.contains_key(client));
        if !sorted || !accepted || close.excluded.len() > EXCLUSION_LIMIT {
            return Err(Refusal::Exclusions);
        }
        let cohort: Cohort = self
            .accepted
            .iter()
            .filter(|(client, _)| close.excluded.binary_search(client).is_err())
            .map(|(client, accepted)| (*client, accepted.digest()))
            .collect();
        let size = u32::try_from(cohort.size()).unwrap_or(u32::MAX);
        let minimum = self.params().terms().min_cohort.max(FLOOR);
        if size < minimum {
            return Err(Refusal::CohortTooSmall { size, minimum });
        }
        if cohort.root() != close.cohort_root {
            return Err(Refusal::CohortMismatch);
        }
        Ok(cohort)
    }

    /// Fixes the cohort. The key that opens contributions and the seeds of excluded
    /// ones are erased here.
    pub(crate) fn close(mut self: Box<Self>, cohort: &Cohort, close: Close, now: u64) -> Releasing {
        for client in &close.excluded {
            self.accepted.remove(client);
        }
        let total_weight = self
            .accepted
            .values()
            .map(|accepted| u64::from(accepted.weight()))
            .fold(0, u64::saturating_add);
        let source = match self.sum.take() {
            Some(sum) => Source::Stream(sum),
            None => Source::Presum(
                core::mem::take(&mut self.accepted)
                    .into_values()
                    .filter_map(AcceptedContribution::into_seed)
                    .collect(),
            ),
        };
        Releasing::new(
            self.round_id,
            self.binding.params.params,
            self.keys.receipt,
            cohort,
            total_weight,
            source,
            close,
            now,
            self.reservation,
        )
    }

    /// Ends the round with nothing released; dropping this state erases it.
    pub(crate) fn abort(self: Box<Self>) -> Signed<AbortReceipt> {
        let receipt = AbortReceipt {
            round_id: self.round_id,
            discarded: self.contributions(),
        };
        self.keys.receipt.sign(receipt)
    }

    /// What its opening gave, and gives again.
    pub(crate) const fn binding(&self) -> &RoundBinding {
        &self.binding
    }

    const fn params(&self) -> &RoundParams {
        &self.binding.params.params
    }

    pub(crate) fn contributions(&self) -> u32 {
        // At most max_cohort.
        u32::try_from(self.accepted.len()).unwrap_or(u32::MAX)
    }

    /// The digest of this client's contribution if this is it. The same contribution again gets
    /// the same answer: a parent or client that missed it may ask.
    fn earlier(&self, header: &ContributionHeader) -> Result<Option<Digest>, Refusal> {
        match self.accepted.get(&header.client) {
            None => Ok(None),
            Some(earlier) if earlier.digest() == header.digest() => Ok(Some(earlier.digest())),
            Some(_) => Err(Refusal::SecondContribution),
        }
    }

    fn check_newcomer(
        &self,
        connection: ConnectionId,
        header: &ContributionHeader,
    ) -> Result<(), Refusal> {
        self.check_place(header, &key_digest(header))?;
        self.check_credential(header)?;
        match &self.staged {
            // A new header on the same connection replaces what it was staging.
            Some(staged) if staged.connection() != connection => Err(Refusal::Busy),
            _ => Ok(()),
        }
    }

    /// What earlier contributions leave room for: the one part of the check that they change,
    /// and whatever they refuse they go on refusing.
    fn check_place(&self, header: &ContributionHeader, key: &Digest) -> Result<(), Refusal> {
        let terms = self.params().terms();
        if self.burned.contains(&header.client) {
            return Err(Refusal::Burned);
        }
        if !header.has_shape(terms) {
            return Err(Refusal::HeaderShape);
        }
        let burned = u64::try_from(self.burned.len()).unwrap_or(u64::MAX);
        if self.contributions() >= terms.max_cohort || burned >= BURNED_LIMIT {
            return Err(Refusal::CohortFull {
                limit: terms.max_cohort,
            });
        }
        if self.seen_keys.contains(key) {
            return Err(Refusal::RepeatedKey);
        }
        Ok(())
    }

    /// Before the header is opened: whoever is not the key's holder can't burn its id.
    fn check_credential(&self, header: &ContributionHeader) -> Result<(), Refusal> {
        match &self.params().terms().admission {
            Admission::Registry { root, size, .. } => header
                .verify_credential(root, *size)
                .map_err(|_| Refusal::Credential),
            Admission::Open => Ok(()),
        }
    }

    fn open(&self, header: ContributionHeader) -> Result<OpenedContribution, Refusal> {
        OpenedContribution::open(header, &self.keys.kem, self.params().terms())
    }

    fn accept(&mut self, client: ClientId, key: Digest, accepted: AcceptedContribution) -> Reply {
        let contribution = self.take_in(client, key, accepted);
        Reply::Accepted(self.acceptance(client, contribution))
    }

    fn take_in(&mut self, client: ClientId, key: Digest, accepted: AcceptedContribution) -> Digest {
        let contribution = accepted.digest();
        self.seen_keys.insert(key);
        self.accepted.insert(client, accepted);
        contribution
    }

    fn burn(&mut self, client: ClientId, key: Digest, refusal: Refusal) -> Refusal {
        // A key whose header did not open may be another client's, copied to block it.
        if refusal != Refusal::DoesNotOpen {
            self.seen_keys.insert(key);
        }
        self.burned.insert(client);
        refusal
    }

    fn acceptance(&self, client: ClientId, contribution: Digest) -> Signed<Acceptance> {
        self.keys.receipt.sign(Acceptance {
            round_id: self.round_id,
            client,
            contribution,
        })
    }
}

fn key_digest(header: &ContributionHeader) -> Digest {
    label::ENCAPSULATED_KEY.digest(&[&header.encapsulated_key])
}
