//! Contributions through the shipped parent: honest sites that may die early, and strangers.

use std::time::Duration;

use axum::http::Method;
use sealsum_client::RecordState;
use sealsum_protocol::receipt::Acceptance;
use sealsum_protocol::{Refusal, Signed, canonical, upload};

use super::End;
use crate::model::{Facts, Yes};
use crate::sites::{SITES, State, Why};
use crate::world::{Sent, Step, World, text};

impl World {
    /// A site takes part, or takes up what it has. If it dies first, it comes back; what comes of
    /// it is the same.
    pub(super) fn part(&mut self, client: u8, round: usize, lives: bool, other: i64) -> Step {
        let site = usize::from(client) % SITES;
        let offered = self.offered(site, round);
        let fresh = i64::try_from(self.rng.below(4000)).unwrap_or(0) - 2000;
        if !lives && self.sites.spent(site, round).is_none() {
            let after = Duration::from_micros(self.rng.below(LIFE_MICROS));
            if self
                .contribute_until(site, round, fresh, Some(after))?
                .is_none()
            {
                self.figures.deaths += 1;
            }
            let hosted = self.hosted()?;
            if std::mem::take(&mut hosted.armed) {
                hosted.host.restart(End::Crash)?;
            }
        }
        let expected = match self.sites.spent(site, round) {
            Some(spent) if spent.state == State::Refunded => Err(Why::Refunded),
            Some(_) if other != 0 => Err(Why::OtherUpdate),
            Some(spent) if spent.accepted => Ok(()),
            Some(spent) if spent.state == State::Summed => Err(Why::Refunded),
            Some(spent) => {
                let facts = self.pool[spent.stored].facts.clone();
                self.comes_in(round, &facts).map_err(|_| Why::Undelivered)
            }
            None => self.sites.may_seal(site, &offered),
        };
        let known = self.sites.spent(site, round);
        let value = known.map_or(fresh, |spent| self.pool[spent.stored].facts.value + other);
        let is_new = known.is_none();
        let found = self.contribute_until(site, round, value, None)?;
        let found = found.ok_or("a client without an end")?;
        let mut expected = expected;
        if is_new && expected.is_ok() {
            let sent = self.recorded(site, round, value)?;
            let facts = sent.facts.clone();
            self.pool.push(sent);
            self.sites.spend(site, round, self.pool.len() - 1, &offered);
            expected = self.comes_in(round, &facts).map_err(|_| Why::Undelivered);
        }
        if expected != found.clone().map(|_| ()) {
            return Err(format!(
                "I11: site {site} and round {round}: expected {expected:?}, found {found:?}"
            ));
        }
        let Some(spent) = self.sites.spent_mut(site, round).filter(|_| found.is_ok()) else {
            return Ok(());
        };
        spent.accepted = true;
        let place = spent.stored;
        self.note_accepted(round, place);
        Ok(())
    }

    /// What the enclave makes of a sound contribution that the parent relays whole.
    fn comes_in(&mut self, round: usize, facts: &Facts) -> Result<(), Refusal> {
        let blocks = self.rounds[round].binding.params.params.layout().blocks();
        let client = facts.client;
        let mut reply = self.expect(round, |model| model.contribute(0, facts));
        if matches!(reply, Ok(Yes::Staging(_))) {
            for index in 0..blocks {
                reply = self.expect(round, |model| model.stage(0, client, index, false));
            }
        }
        reply.map(|_| ())
    }

    fn note_accepted(&mut self, round: usize, place: usize) {
        let digest = self.pool[place].facts.digest;
        let known = &mut self.rounds[round].accepted;
        let pool = &self.pool;
        if !known
            .iter()
            .any(|other| pool[*other].facts.digest == digest)
        {
            known.push(place);
        }
    }

    /// The contribution that the ledger says was made, with a body that only the parent has seen:
    /// the sum shows whether it is the right one.
    fn recorded(&self, site: usize, round: usize, value: i64) -> Result<Sent, String> {
        let round_id = self.rounds[round].binding.round_id();
        let ledger = self.houses.ledger(site)?;
        let record = ledger.record(&round_id).map_err(text)?;
        let record =
            record.ok_or_else(|| format!("I11: site {site} sent what it has no record of"))?;
        if !matches!(record.state, RecordState::Sealed | RecordState::Accepted) {
            return Err(format!("site {site} has just sealed: {}", record.state));
        }
        let header = upload::prefix(&record.header);
        self.arrived(site, round, value, &header)
    }

    /// Any contribution, as a stranger sends it.
    pub(crate) fn hosted_relay(&mut self, place: usize) -> Step {
        let Sent {
            round,
            contribution,
            facts,
            ..
        } = &self.pool[place];
        let (round, facts) = (*round, facts.clone());
        let (header, body) = (contribution.header.clone(), contribution.body.clone());
        if body.is_empty() {
            // An honest one: only its site has the bytes.
            return Ok(());
        }
        let whole = self.rounds[round]
            .binding
            .params
            .params
            .layout()
            .total_bytes();
        let known = &self.rounds[round].accepted;
        let is_in = known
            .iter()
            .any(|other| self.pool[*other].facts.digest == facts.digest);
        let sound_body = body.len() as u64 == whole
            && matches!(facts.body, Ok(()) | Err(Refusal::NormAboveBound));
        let expected = if is_in {
            // Who is in may ask for the acceptance again, whatever the phase.
            true
        } else if !sound_body {
            // The parent compares body and commitment before the enclave hears of either.
            false
        } else {
            self.comes_in(round, &facts).is_ok()
        };
        let path = format!(
            "/v1/rounds/{}/contributions/{}",
            header.round_id, header.client
        );
        let bytes = [upload::prefix(&header), body].concat();
        let (status, answer) = self.ask(Method::PUT, &path, bytes)?;
        if (status == 200) != expected {
            return Err(format!(
                "hostile upload: expected {expected}, found {status} {}",
                String::from_utf8_lossy(&answer)
            ));
        }
        if status == 200 {
            let acceptance: Signed<Acceptance> = canonical::decode(&answer).map_err(text)?;
            let binding = &self.rounds[round].binding;
            let said = acceptance
                .verify(&binding.receipt_key, &binding.round_id())
                .map_err(text)?;
            if said.contribution != facts.digest || said.client != facts.client {
                return Err("the acceptance is for another contribution".to_owned());
            }
            self.note_accepted(round, place);
        }
        Ok(())
    }
}

/// The longest that a client lives which is to die early: about as long as it takes.
const LIFE_MICROS: u64 = 6_000;
