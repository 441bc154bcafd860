//! Hostile contributions, and how a parent relays these and honest ones.

use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::messages::{Contribute, StageBlock};
use sealsum_protocol::{
    AggregationRule, ClientId, Command, Encoding, Refusal, Reply, RoundParams, RoundTerms,
};
use sealsum_testkit::{Contribution, UncheckedClient, client_signer};

use crate::model::Facts;
use crate::op::Hostile;
use crate::sites::SITES;
use crate::world::{Origin, Sent, Step, World, agree, text};

impl World {
    pub(crate) fn send(&mut self, client: u8, round: usize, connection: u8, half: bool) -> Step {
        let site = usize::from(client) % SITES;
        self.seal(client, round)?;
        match self.sites.stored(site, round) {
            Some(place) => self.relay(place, connection.into(), half),
            None => Ok(()),
        }
    }

    pub(crate) fn replay(&mut self, which: u8, connection: u8) -> Step {
        match self.pool.len() {
            0 => Ok(()),
            count => self.relay(
                count - 1 - usize::from(which) % count,
                connection.into(),
                false,
            ),
        }
    }

    pub(crate) fn stray_block(&mut self, round: usize, connection: u8) -> Step {
        let client = UncheckedClient::new(STRANGER).id();
        let expected = self.expect(round, |model| {
            model.stage(connection.into(), client, 0, false)
        });
        let round_id = self.rounds[round].binding.round_id();
        let block = StageBlock {
            round_id,
            client,
            index: 0,
        };
        let (reply, _) = self.say(
            round,
            connection.into(),
            Command::StageBlock(block),
            &[0; 61],
        );
        agree("stray block", expected, &reply)
    }

    pub(crate) fn hostile(&mut self, kind: Hostile, round: usize, which: u8, on: u8) -> Step {
        let client = STRANGER + 1 + u64::from(which % 4);
        let terms = self.rounds[round].terms().clone();
        let copied = match self.pool.len() {
            0 => None,
            count => self.pool.get(usize::from(which) % count),
        };
        let made = match kind {
            Hostile::CopiedId | Hostile::CopiedRound => {
                let Some(copied) = copied else {
                    return Ok(());
                };
                self.copy(kind, copied, round, UncheckedClient::new(client).id())
            }
            Hostile::OverWeight => {
                let terms = RoundTerms {
                    max_weight: 2,
                    rule: AggregationRule::WeightedMean,
                    ..terms
                };
                let mut made = self.make(round, client, terms, 2)?;
                made.facts.opens = Err(Refusal::WeightAboveBound);
                made.origin.opens = made.facts.opens;
                made
            }
            Hostile::OverNorm => {
                let terms = RoundTerms {
                    clip: 1 << 14,
                    ..terms
                };
                self.make(round, client, terms, 1)?
            }
            _ => {
                let mut made = self.make(round, client, terms, 1)?;
                spoil(kind, &mut made);
                self.sign(kind, round, client, &mut made);
                made
            }
        };
        self.pool.push(made);
        self.relay(self.pool.len() - 1, on.into(), false)
    }

    fn copy(&self, kind: Hostile, of: &Sent, round: usize, client: ClientId) -> Sent {
        let mut contribution = of.contribution.clone();
        let mut round = round;
        if kind == Hostile::CopiedId {
            round = of.round;
            contribution.header.client = client;
        } else {
            contribution.header.round_id = self.rounds[round].binding.round_id();
        }
        let header = &contribution.header;
        let original = *header == of.origin.header;
        let facts = Facts {
            client: header.client,
            digest: header.digest(),
            opens: if original {
                of.origin.opens
            } else {
                Err(Refusal::DoesNotOpen)
            },
            credential: if original {
                of.origin.credential
            } else {
                header.credential.is_some().then_some(false)
            },
            ..of.facts.clone()
        };
        Sent {
            round,
            contribution,
            facts,
            origin: of.origin.clone(),
        }
    }

    /// Encodes under `terms`, seals to the round's key.
    fn make(
        &mut self,
        round: usize,
        client: u64,
        terms: RoundTerms,
        weight: u32,
    ) -> Result<Sent, String> {
        let over = terms.clip > self.rounds[round].terms().clip;
        let value = if over {
            1 << 13
        } else {
            i64::try_from(self.rng.below(4000)).unwrap_or(0) - 2000
        };
        let d = terms.dimension;
        let params = RoundParams::new(terms).map_err(text)?;
        let values: Vec<f64> = (0..d)
            .map(|i| (value + (i % 3) as i64) as f64 / UNIT)
            .collect();
        let seed = RoundingSeed::new(self.rng.bytes());
        let update = Encoding::new(&params, &values, weight, OutOfRange::Refuse, &seed);
        // A fresh stream each time: one client may seal in many rounds.
        let mut sealer = UncheckedClient::with_randomness(client, self.rng.below(u64::MAX));
        let contribution = sealer.seal(&self.rounds[round].binding, update.map_err(text)?);
        let facts = Facts {
            client: contribution.header.client,
            key: contribution.header.encapsulated_key.to_vec(),
            digest: contribution.header.digest(),
            value: value * i64::from(weight),
            opens: Ok(()),
            body: if over {
                Err(Refusal::NormAboveBound)
            } else {
                Ok(())
            },
            credential: None,
        };
        let mut sent = Sent {
            round,
            origin: Origin {
                header: contribution.header.clone(),
                opens: facts.opens,
                credential: None,
            },
            contribution,
            facts,
        };
        self.sign(Hostile::Sybil, round, client, &mut sent);
        Ok(sent)
    }

    /// Signs as the round's registry asks for, or as `kind` would rather have it.
    fn sign(&self, kind: Hostile, round: usize, client: u64, made: &mut Sent) {
        let epoch = self.rounds[round].registry.map(|(epoch, _)| epoch);
        let registry = epoch.map(|epoch| &self.registries[epoch]);
        let header = made.contribution.header.clone();
        let (header, valid) = match (kind, registry) {
            (Hostile::NoCredential, _) | (_, None) if kind != Hostile::AnothersPlace => {
                let credential = None;
                (
                    sealsum_protocol::ContributionHeader {
                        credential,
                        ..header
                    },
                    None,
                )
            }
            (Hostile::AnothersPlace, registry) => {
                let place = registry.and_then(|registry| {
                    let another = registry.keys().find(|key| **key != header.client)?;
                    registry.place(another)
                });
                let (index, path) = place.unwrap_or_default();
                let signer = client_signer(client);
                (header.with_credential(&signer, index, path), Some(false))
            }
            (_, Some(registry)) => {
                let place = registry.place(&header.client);
                let valid = place.is_some();
                let (index, path) = place.unwrap_or_default();
                let signer = client_signer(client);
                (header.with_credential(&signer, index, path), Some(valid))
            }
            (_, None) => (header, None),
        };
        made.contribution.header = header.clone();
        made.facts.credential = valid;
        made.origin.header = header;
        made.origin.credential = valid;
    }

    /// Relays a contribution to its round, as far as the enclave takes it.
    fn relay(&mut self, place: usize, connection: u64, half: bool) -> Step {
        if self.hosted.is_some() {
            return self.hosted_relay(place);
        }
        let Sent {
            round,
            contribution,
            facts,
            ..
        } = &self.pool[place];
        let (round, facts, contribution) = (*round, facts.clone(), contribution.clone());
        let header = contribution.header.clone();
        let (round_id, client) = (header.round_id, header.client);
        let command = Command::Contribute(Box::new(Contribute { header }));
        let mut expected = self.expect(round, |model| model.contribute(connection, &facts));
        let (mut reply, _) = self.say(round, connection, command, &[]);
        agree("contribute", expected, &reply)?;
        let layout = self.rounds[round].binding.params.params.layout();
        let blocks = contribution.blocks(layout).map(<[u8]>::to_vec);
        if matches!(reply, Reply::Staging(_)) && !half {
            for (index, block) in layout.indices().zip(blocks.collect::<Vec<_>>()) {
                expected = self.expect(round, |m| m.stage(connection, client, index, true));
                let stage = StageBlock {
                    round_id,
                    client,
                    index,
                };
                (reply, _) = self.say(round, connection, Command::StageBlock(stage), &block);
                agree("stage", expected, &reply)?;
                if !matches!(reply, Reply::Staging(_)) {
                    break;
                }
            }
        }
        if let Reply::Accepted(acceptance) = &reply {
            let key = &self.rounds[round].binding.receipt_key;
            let said = acceptance.verify(key, &round_id).map_err(text)?;
            if said.contribution != facts.digest || said.client != client {
                return Err("the acceptance is for another contribution".to_owned());
            }
            let known = &mut self.rounds[round].accepted;
            let is = |other: &usize| self.pool[*other].facts.digest == facts.digest;
            if !known.iter().any(is) {
                known.push(place);
            }
            let acceptances = &mut self.rounds[round].acceptances;
            acceptances.insert(place, acceptance.clone());
        }
        Ok(())
    }
}

/// Spoils a sound contribution; the commitment stays the sound body's.
fn spoil(kind: Hostile, made: &mut Sent) {
    let Contribution { header, body } = &mut made.contribution;
    let last = body.len() - 1;
    match kind {
        Hostile::Garbage => {
            header.sealed[0] ^= 1;
            made.facts.opens = Err(Refusal::DoesNotOpen);
        }
        Hostile::Padding => {
            body[last] |= 0x80;
            made.facts.body = Err(Refusal::Padding);
        }
        Hostile::OtherBody => {
            body[0] ^= 1;
            made.facts.body = Err(Refusal::CommitmentMismatch);
        }
        Hostile::ShortBlock => {
            body.truncate(last);
            let expected = if last > FULL_BLOCK {
                last - FULL_BLOCK
            } else {
                last
            } + 1;
            made.facts.body = Err(Refusal::BlockLength {
                expected: expected as u64,
            });
        }
        _ => {}
    }
    made.facts.digest = made.contribution.header.digest();
    made.origin.header = made.contribution.header.clone();
    made.origin.opens = made.facts.opens;
}

/// Hostile clients are those from here on.
const STRANGER: u64 = 100;
/// Of these, whom every registry admits.
pub(crate) const INSIDERS: [u64; 2] = [STRANGER + 1, STRANGER + 2];
/// Fixed point of the test rounds: 12 fractional bits.
pub(crate) const UNIT: f64 = 4096.0;
/// Bytes of a full block at 23 bits.
const FULL_BLOCK: usize = 2048 * 23;
