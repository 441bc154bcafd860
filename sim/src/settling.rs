//! What a site does when a round is over: it collects and looks for itself, or asks for a refund.

use sealsum_client::{CollectRefused, OwnContribution, RefundRefused, collect};
use sealsum_protocol::receipt::AbortReceipt;
use sealsum_protocol::{Cohort, ReceiptSigner, Signed, canonical};

use crate::contributing::UNIT;
use crate::ending::Closed;
use crate::op::Proof;
use crate::sites::{Refund, SITES, State};
use crate::world::{Step, World, text};

impl World {
    /// A site fetches the aggregate of a round that is wholly out, and finds what the model says.
    pub(crate) fn collect(&mut self, client: u8, round: usize) -> Step {
        let site = usize::from(client) % SITES;
        let id = self.houses.id(site);
        let real = &self.rounds[round];
        let (Some(receipt), Some(closed)) = (&real.receipt, &real.closed) else {
            return Ok(());
        };
        let round_id = real.binding.round_id();
        let files = [
            ("receipt".to_owned(), canonical::encode(receipt)),
            ("evidence".to_owned(), canonical::encode(&real.evidence)),
            (
                "aggregate".to_owned(),
                real.blocks.values().flatten().copied().collect(),
            ),
            (
                format!("proofs/{id}"),
                canonical::encode(&closed.cohort.prove(&id)),
            ),
        ];
        let path = |(name, file)| (format!("/v1/rounds/{round_id}/{name}"), file);
        self.counter.desk().files = files.map(path).into();
        let parent = sealsum_client::Parent::new(self.url()).map_err(text)?;
        let mut ledger = self.houses.ledger(site)?;
        let policy = self.houses.policy(real.task);
        let found = self.runtime.block_on(collect(
            &parent,
            policy,
            Some(&mut ledger),
            &round_id,
            true,
            |_, _| {},
        ));
        let is_in = closed.members.iter().any(|(member, _)| *member == id);
        let spent = self.sites.spent(site, round);
        let aggregate = match found {
            Ok(aggregate) => aggregate,
            Err(CollectRefused::Receipt(_)) if !real.honest_operator => return Ok(()),
            Err(CollectRefused::AcceptedYetOut(_)) => {
                return Err(format!("I4: site {site} was accepted, and is in no cohort"));
            }
            Err(refused) => return Err(format!("collect: {refused}")),
        };
        let expected = match (spent, is_in) {
            (None, _) => OwnContribution::Unknown,
            (Some(_), true) => OwnContribution::In,
            (Some(_), false) => OwnContribution::Out,
        };
        if aggregate.own_contribution != expected || !real.honest_operator {
            return Err(format!(
                "collect: expected {expected:?}, found {:?}",
                aggregate.own_contribution
            ));
        }
        for (i, found) in (0..).zip(&aggregate.values) {
            let expected = closed.model.sum(i) as f64 / UNIT;
            if expected != *found {
                return Err(format!("collect: {found} at {i}, expected {expected}"));
            }
        }
        if is_in && let Some(spent) = self.sites.spent_mut(site, round) {
            spent.state = State::Summed;
        }
        Ok(())
    }

    /// A site asks its ledger for the round back; a proof that is none frees nothing.
    pub(crate) fn refund(&mut self, client: u8, round: usize, proof: Proof) -> Step {
        let site = usize::from(client) % SITES;
        let id = self.houses.id(site);
        let real = &self.rounds[round];
        let round_id = real.binding.round_id();
        let is_in = |closed: &Closed| closed.members.iter().any(|(member, _)| *member == id);
        let summed = real.closed.as_ref().is_some_and(is_in);
        let mut ledger = self.houses.ledger(site)?;
        let (found, good, shows_in) = match proof {
            Proof::Abort | Proof::AnothersAbort | Proof::ForgedAbort => {
                let Some(shown) = self.abort_receipt(round, proof) else {
                    return Ok(());
                };
                let found = ledger.refund_by_abort(&round_id, &shown);
                (found, proof == Proof::Abort, false)
            }
            Proof::Exclusion | Proof::ForgedExclusion => {
                let (Some(receipt), Some(closed)) = (&real.receipt, &real.closed) else {
                    return Ok(());
                };
                let others = closed.members.iter().filter(|(member, _)| *member != id);
                let forged = proof == Proof::ForgedExclusion;
                let shown: Cohort = if forged {
                    others.copied().collect()
                } else {
                    closed.cohort.clone()
                };
                let found = ledger.refund_by_exclusion(&round_id, receipt, &shown.prove(&id));
                // Without this site in it, the cohort without this site is the cohort.
                (found, !forged || !summed, summed)
            }
        };
        let expected = self.sites.refund(site, round, good, shows_in);
        let found = match found {
            Ok(()) => Refund::Freed,
            Err(RefundRefused::Unknown(_)) => Refund::Unknown,
            Err(RefundRefused::Refunded(_)) => Refund::Refunded,
            Err(RefundRefused::InTheSum(_)) => Refund::InTheSum,
            Err(RefundRefused::Signature(_) | RefundRefused::Proof(_)) => Refund::ProvesNothing,
            Err(refused) => return Err(refused.to_string()),
        };
        if found == Refund::Freed && summed && self.rounds[round].receipt.is_some() {
            return Err(format!("I11: {proof:?} freed a site that is in the sum"));
        }
        if expected != found {
            return Err(format!(
                "I11: {proof:?} of site {site}: expected {expected:?}, found {found:?}"
            ));
        }
        Ok(())
    }

    fn abort_receipt(&self, round: usize, proof: Proof) -> Option<Signed<AbortReceipt>> {
        let real = &self.rounds[round];
        match proof {
            Proof::Abort => real.abort.clone(),
            Proof::AnothersAbort => {
                let others = self.rounds.iter().enumerate();
                let mut others = others.filter(|(other, _)| *other != round);
                others.find_map(|(_, other)| other.abort.clone())
            }
            _ => Some(ReceiptSigner::from_secret(&[3; 32]).sign(AbortReceipt {
                round_id: real.binding.round_id(),
                discarded: 0,
            })),
        }
    }
}
