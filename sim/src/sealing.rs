//! The honest sites' part, done by the client that is shipped: joining, sealing, dying, resuming.
//!
//! The model says beforehand whether the site seals and, if not, which of its reasons comes first.

use std::time::Duration;

use sealsum_client::{ContributeOptions, ContributeRefused, Contributed, Target, Update};
use sealsum_protocol::fixed::OutOfRange;
use sealsum_protocol::receipt::Acceptance;
use sealsum_protocol::{Digest, ReceiptSigner, Registry, canonical, upload};
use sealsum_testkit::Contribution;

use crate::contributing::UNIT;
use crate::counter::Answer;
use crate::houses::why;
use crate::model::Facts;
use crate::op::Answering;
use crate::sabotage::Sabotage;
use crate::sites::{Offered, SITES, State, Why};
use crate::world::{Origin, Sent, Step, World, text};

/// What became of a client: it died waiting, it was done, or it said why not.
type Outcome = Option<Result<Contributed, Why>>;

impl World {
    /// An honest client joins and seals, if policy and ledger allow it, and dies as its upload
    /// arrives.
    pub(crate) fn seal(&mut self, client: u8, round: usize) -> Step {
        let site = usize::from(client) % SITES;
        if self.sites.spent(site, round).is_some() && self.sabotage != Sabotage::RestoresLedgers {
            return Ok(());
        }
        let offered = self.offered(site, round);
        let expected = match self.sites.spent(site, round) {
            // Only a sabotaged ledger gets here: what is spent is never sealed anew.
            Some(_) => Err(Why::Refunded),
            None => self.sites.may_seal(site, &offered),
        };
        let value = i64::try_from(self.rng.below(4000)).unwrap_or(0) - 2000;
        self.counter.desk().answer = Answer::Silence;
        let outcome = self.join_and_contribute(site, round, value)?;
        let uploads = std::mem::take(&mut self.counter.desk().uploads);
        match (expected, outcome, uploads.as_slice()) {
            (Ok(()), None, [upload]) => {
                self.figures.deaths += 1;
                let sent = self.arrived(site, round, value, upload)?;
                self.pool.push(sent);
                self.sites.spend(site, round, self.pool.len() - 1, &offered);
                Ok(())
            }
            (Err(expected), Some(Err(found)), []) if expected == found => Ok(()),
            (expected, found, uploads) => Err(format!(
                "I11, I15: site {site} and round {round}: expected {expected:?}, found {found:?} with {} uploads",
                uploads.len()
            )),
        }
    }

    /// Takes up what the site has for the round, as `contribute --round` does first of all.
    pub(crate) fn resume(&mut self, client: u8, round: usize, answering: Answering) -> Step {
        let site = usize::from(client) % SITES;
        let spent = self.sites.spent(site, round).cloned();
        let answer = match answering {
            Answering::Silence | Answering::OtherUpdate => Answer::Silence,
            Answering::Forged => {
                let (client, contribution) = (self.houses.id(site), Digest::new([1; 32]));
                self.acceptance_by(
                    &ReceiptSigner::from_secret(&[3; 32]),
                    round,
                    client,
                    contribution,
                )
            }
            Answering::Anothers => {
                let own = spent.as_ref().map(|spent| spent.stored);
                let mut acceptances = self.rounds[round].acceptances.iter();
                match acceptances.find(|(place, _)| Some(**place) != own) {
                    Some((_, acceptance)) => Answer::Acceptance(canonical::encode(acceptance)),
                    None => return Ok(()),
                }
            }
            Answering::Honest => {
                let own = spent.as_ref().map(|spent| spent.stored);
                own.and_then(|own| self.rounds[round].acceptances.get(&own))
                    .map_or(Answer::Refusal, |acceptance| {
                        Answer::Acceptance(canonical::encode(acceptance))
                    })
            }
        };
        let is_yes = matches!(answer, Answer::Acceptance(_));
        self.counter.desk().answer = answer;
        let sealed = spent
            .as_ref()
            .map_or(0, |spent| self.pool[spent.stored].facts.value);
        let other = i64::from(answering == Answering::OtherUpdate);
        let outcome = self.resend(site, round, sealed + other)?;
        let uploads = std::mem::take(&mut self.counter.desk().uploads);
        let Some(spent) = spent else {
            return match outcome {
                Some(Ok(None)) if uploads.is_empty() => Ok(()),
                _ => Err(format!("I11: site {site} resumes what it never sealed")),
            };
        };
        let (expected, sends) = match (spent.state, spent.accepted, answering) {
            (State::Refunded, ..) => (Some(Err(Why::Refunded)), false),
            (_, _, Answering::OtherUpdate) => (Some(Err(Why::OtherUpdate)), false),
            // Accepted, or in the sum by a receipt: there is nothing left to send.
            (_, true, _) => (Some(Ok(())), false),
            (State::Summed, false, _) => (Some(Err(Why::Refunded)), false),
            (_, _, Answering::Silence) => (None, true),
            (_, _, Answering::Honest) if is_yes => (Some(Ok(())), true),
            (_, _, Answering::Honest) => (Some(Err(Why::Undelivered)), true),
            _ => (Some(Err(Why::Acceptance)), true),
        };
        self.figures.deaths += u64::from(outcome.is_none());
        let found = outcome.map(|done| done.map(|contributed| contributed.is_some()));
        let same = match (expected, found) {
            (None, None) | (Some(Ok(())), Some(Ok(true))) => true,
            (Some(Err(expected)), Some(Err(found))) => expected == found,
            _ => false,
        };
        if !same || uploads.len() != usize::from(sends) {
            return Err(format!(
                "I11: site {site} resumes round {round}: expected {expected:?}, found {found:?} with {} uploads",
                uploads.len()
            ));
        }
        if let Some(again) = uploads.first() {
            self.is_the_same(again, spent.stored)?;
        }
        if expected == Some(Ok(()))
            && let Some(spent) = self.sites.spent_mut(site, round)
        {
            spent.accepted = true;
        }
        Ok(())
    }

    /// Joins the round by its id and contributes; `None` if the client died waiting for an answer.
    fn join_and_contribute(
        &mut self,
        site: usize,
        round: usize,
        value: i64,
    ) -> Result<Outcome, String> {
        let folder = self.houses.site_folder(site).to_owned();
        let ledger = folder.join("ledger-mock.db");
        let before = match self.sabotage {
            Sabotage::RestoresLedgers => Some(std::fs::read(&ledger).map_err(text)?),
            _ => None,
        };
        let real = &self.rounds[round];
        let update = self.update(round, value);
        let target = Target::Round(real.binding.round_id());
        let base_model = real.base_model.clone();
        let registry = real.registry.map(|(epoch, _)| &self.registries[epoch]);
        let url = &self.counter.url;
        let mut client = self.houses.client(site, real.task, url, registry)?;
        let outcome = self.runtime.block_on(async {
            let contribute = async {
                let round = client.join(&target, base_model, true).await;
                let contributed = match round {
                    Ok(round) => round.contribute(&update, OPTIONS, |_, _| {}).await,
                    Err(refused) => Err(refused.into()),
                };
                contributed.map_err(|refused| why(&refused))
            };
            tokio::select! {
                done = contribute => Some(done),
                () = self.counter.unanswered_upload() => None,
            }
        });
        drop(client);
        if let Some(before) = before {
            std::fs::write(&ledger, before).map_err(text)?;
        }
        settle(outcome)
    }

    /// All of `contribute --round`, at the shipped parent; `None` if it was not done by `deadline`,
    /// and died of that.
    pub(crate) fn contribute_until(
        &mut self,
        site: usize,
        round: usize,
        value: i64,
        deadline: Option<Duration>,
    ) -> Result<Outcome, String> {
        let real = &self.rounds[round];
        let round_id = real.binding.round_id();
        let (target, base_model) = (Target::Round(round_id), real.base_model.clone());
        let update = self.update(round, value);
        let registry = real.registry.map(|(epoch, _)| &self.registries[epoch]);
        let mut client = self.houses.client(site, real.task, self.url(), registry)?;
        let outcome = self.runtime.block_on(async {
            let contribute = async {
                if let Some(again) = client
                    .resend(&round_id, (&update, 1), true, |_, _| {})
                    .await?
                {
                    return Ok(again);
                }
                let round = client.join(&target, base_model, true).await?;
                round.contribute(&update, OPTIONS, |_, _| {}).await
            };
            match deadline {
                None => Some(contribute.await),
                Some(deadline) => tokio::time::timeout(deadline, contribute).await.ok(),
            }
        });
        settle(
            outcome.map(|done: Result<_, ContributeRefused>| done.map_err(|refused| why(&refused))),
        )
    }

    fn resend(
        &mut self,
        site: usize,
        round: usize,
        value: i64,
    ) -> Result<Option<Result<Option<Contributed>, Why>>, String> {
        let real = &self.rounds[round];
        let round_id = real.binding.round_id();
        let update = self.update(round, value);
        let mut client = self
            .houses
            .client(site, real.task, &self.counter.url, None)?;
        let outcome = self.runtime.block_on(async {
            let resend = client.resend(&round_id, (&update, 1), true, |_, _| {});
            tokio::select! {
                done = resend => Some(done.map_err(|refused| why(&refused))),
                () = self.counter.unanswered_upload() => None,
            }
        });
        settle(outcome)
    }

    /// Element i is value + i % 3, in steps.
    fn update(&self, round: usize, value: i64) -> Update {
        let d = self.rounds[round].terms().dimension;
        let values = (0..d).map(|i| (value + (i % 3) as i64) as f64 / UNIT);
        Update::from_values(values.collect())
    }

    /// What decides about a round, for a site.
    pub(crate) fn offered(&mut self, site: usize, round: usize) -> Offered {
        let collects = self.collects(round);
        let real = &self.rounds[round];
        let is_in = |registry: &Registry| registry.keys().any(|key| *key == self.houses.id(site));
        let registry = real
            .registry
            .map(|(epoch, holds)| (epoch as u64, holds, is_in(&self.registries[epoch])));
        let terms = real.terms();
        Offered {
            task: terms.task.clone(),
            number: terms.round_number,
            base: terms.base_model,
            collects,
            honest_operator: real.honest_operator,
            wanted_admission: (real.task == 1) == registry.is_some(),
            registry,
        }
    }

    /// An honest upload as the parent has it.
    pub(crate) fn arrived(
        &self,
        site: usize,
        round: usize,
        value: i64,
        bytes: &[u8],
    ) -> Result<Sent, String> {
        let (length, rest) = bytes.split_first_chunk().ok_or("an empty upload")?;
        let length = upload::header_length(*length).map_err(text)?;
        let (header, body) = rest
            .split_at_checked(length)
            .ok_or("an upload without a body")?;
        let header = upload::header(header).map_err(text)?;
        let real = &self.rounds[round];
        if header.round_id != real.binding.round_id() || header.client != self.houses.id(site) {
            return Err(format!(
                "site {site} sealed for another round or under another id"
            ));
        }
        let credential = real.registry.map(|_| true);
        Ok(Sent {
            round,
            facts: Facts {
                client: header.client,
                key: header.encapsulated_key.to_vec(),
                digest: header.digest(),
                value,
                opens: Ok(()),
                body: Ok(()),
                credential,
            },
            origin: Origin {
                header: header.clone(),
                opens: Ok(()),
                credential,
            },
            contribution: Contribution {
                header,
                body: body.to_vec(),
            },
        })
    }

    /// Never another encryption: a resumed upload is that of the first time, byte for byte.
    fn is_the_same(&self, again: &[u8], stored: usize) -> Step {
        let Contribution { header, body } = &self.pool[stored].contribution;
        if again == [upload::prefix(header), body.clone()].concat() {
            return Ok(());
        }
        Err("I11: a resumed upload differs from the first".to_owned())
    }

    fn acceptance_by(
        &self,
        signer: &ReceiptSigner,
        round: usize,
        client: sealsum_protocol::ClientId,
        contribution: Digest,
    ) -> Answer {
        let round_id = self.rounds[round].binding.round_id();
        let acceptance = signer.sign(Acceptance {
            round_id,
            client,
            contribution,
        });
        Answer::Acceptance(canonical::encode(&acceptance))
    }
}

/// Brings what the model has no word for to the surface.
fn settle<T>(
    outcome: Option<Result<T, Result<Why, String>>>,
) -> Result<Option<Result<T, Why>>, String> {
    match outcome {
        None => Ok(None),
        Some(Ok(done)) => Ok(Some(Ok(done))),
        Some(Err(Ok(why))) => Ok(Some(Err(why))),
        Some(Err(Err(words))) => Err(words),
    }
}

const OPTIONS: ContributeOptions = ContributeOptions {
    weight: 1,
    out_of_range: OutOfRange::Refuse,
    refund: false,
};
