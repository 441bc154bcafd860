//! The reference model of a round: sets, counts and plain sums, no cryptography.
//!
//! It says what the real one has to answer to each command. Nothing of the core is used here,
//! so that an error there is not repeated.

mod enclave;

use std::collections::{BTreeMap, BTreeSet};

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{ClientId, Digest, Refusal};

pub(crate) use enclave::ModelEnclave;

/// What is known of a contribution because the simulation made it.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) client: ClientId,
    pub(crate) key: Vec<u8>,
    pub(crate) digest: Digest,
    /// Element i is value + i % 3, in units of 2^-12.
    pub(crate) value: i64,
    /// What opening the header gives.
    pub(crate) opens: Result<(), Refusal>,
    /// What the blocks give, in `stream`.
    pub(crate) body: Result<(), Refusal>,
    /// The credential, and whether it shows a key of the round's registry that signed this.
    pub(crate) credential: Option<bool>,
}

/// What an enclave says yes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Yes {
    Accepted,
    Staging(u64),
    Done,
    Phase(Phase, u32),
}

pub(crate) type Expected = Result<Yes, Refusal>;

#[derive(Clone)]
pub(crate) struct ModelRound {
    pub(crate) stream: bool,
    /// Whether only the keys of a registry are admitted.
    registry: bool,
    pub(crate) minimum: u32,
    pub(crate) maximum: u32,
    pub(crate) blocks: u64,
    pub(crate) phase: Phase,
    pub(crate) accepted: BTreeMap<ClientId, Facts>,
    burned: BTreeSet<ClientId>,
    seen: BTreeSet<Vec<u8>>,
    staged: Option<(u64, Facts, u64)>,
    close: Option<CloseFacts>,
    closed_at: u64,
    times: Vec<u8>,
    finished: bool,
    discarded: u32,
}

/// What a close says, reduced to what decides.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CloseFacts {
    pub(crate) cohort: BTreeMap<ClientId, Digest>,
    pub(crate) names_a_sum: bool,
    pub(crate) excluded: Vec<ClientId>,
}

impl ModelRound {
    pub(crate) fn new(
        stream: bool,
        registry: bool,
        minimum: u32,
        maximum: u32,
        blocks: u64,
    ) -> Self {
        Self {
            stream,
            registry,
            minimum,
            maximum,
            blocks,
            phase: Phase::Collecting,
            accepted: BTreeMap::new(),
            burned: BTreeSet::new(),
            seen: BTreeSet::new(),
            staged: None,
            close: None,
            closed_at: 0,
            times: vec![0; usize::try_from(blocks).unwrap_or(0)],
            finished: false,
            discarded: 0,
        }
    }

    pub(crate) fn collecting(&self) -> Result<(), Refusal> {
        self.phase_is(Phase::Collecting)
    }

    fn phase_is(&self, phase: Phase) -> Result<(), Refusal> {
        if self.phase == phase {
            return Ok(());
        }
        Err(Refusal::WrongPhase { phase: self.phase })
    }

    pub(crate) fn contribute(&mut self, connection: u64, facts: &Facts) -> Expected {
        self.collecting()?;
        if let Some(earlier) = self.accepted.get(&facts.client) {
            return if earlier.digest == facts.digest {
                Ok(Yes::Accepted)
            } else {
                Err(Refusal::SecondContribution)
            };
        }
        if self.burned.contains(&facts.client) {
            return Err(Refusal::Burned);
        }
        if !self.registry && facts.credential.is_some() {
            return Err(Refusal::HeaderShape);
        }
        if self.accepted.len() as u64 >= u64::from(self.maximum) {
            return Err(Refusal::CohortFull {
                limit: self.maximum,
            });
        }
        if self.seen.contains(&facts.key) {
            return Err(Refusal::RepeatedKey);
        }
        if self.registry && facts.credential != Some(true) {
            return Err(Refusal::Credential);
        }
        if matches!(&self.staged, Some((other, ..)) if *other != connection) {
            return Err(Refusal::Busy);
        }
        if let Err(refusal) = facts.opens {
            return Err(self.burn(facts, refusal));
        }
        if self.stream {
            self.staged = Some((connection, facts.clone(), 0));
            return Ok(Yes::Staging(0));
        }
        Ok(self.accept(facts.clone()))
    }

    pub(crate) fn stage(
        &mut self,
        connection: u64,
        client: ClientId,
        index: u64,
        is_last_bad: bool,
    ) -> Expected {
        self.collecting()?;
        if !self.stream {
            return Err(Refusal::WrongIntake);
        }
        let Some((_, facts, next)) = self
            .staged
            .as_mut()
            .filter(|(owner, ..)| *owner == connection)
        else {
            return Err(Refusal::NotStaging { next: 0 });
        };
        if facts.client != client || index != *next {
            return Err(Refusal::NotStaging { next: *next });
        }
        let last = *next + 1 == self.blocks;
        if last
            && is_last_bad
            && let Err(refusal @ Refusal::BlockLength { .. }) = facts.body
        {
            return Err(refusal);
        }
        if !last {
            *next += 1;
            return Ok(Yes::Staging(*next));
        }
        let facts = facts.clone();
        self.staged = None;
        match facts.body {
            Ok(()) => Ok(self.accept(facts)),
            Err(refusal) => Err(self.burn(&facts, refusal)),
        }
    }

    fn accept(&mut self, facts: Facts) -> Yes {
        self.seen.insert(facts.key.clone());
        self.accepted.insert(facts.client, facts);
        Yes::Accepted
    }

    fn burn(&mut self, facts: &Facts, refusal: Refusal) -> Refusal {
        if refusal != Refusal::DoesNotOpen {
            self.seen.insert(facts.key.clone());
        }
        self.burned.insert(facts.client);
        refusal
    }

    pub(crate) fn disconnect(&mut self, connection: u64) {
        self.staged.take_if(|(owner, ..)| *owner == connection);
    }

    pub(crate) fn close(&mut self, close: &CloseFacts, now: u64) -> Expected {
        if self.phase == Phase::Releasing {
            return if self.close.as_ref() == Some(close) {
                Ok(Yes::Done)
            } else {
                Err(Refusal::OtherClose)
            };
        }
        self.collecting()?;
        if close.names_a_sum == self.stream || (self.stream && !close.excluded.is_empty()) {
            return Err(Refusal::WrongIntake);
        }
        if close
            .excluded
            .iter()
            .any(|c| !self.accepted.contains_key(c))
        {
            return Err(Refusal::Exclusions);
        }
        let left: BTreeMap<_, _> = self
            .accepted
            .iter()
            .filter(|(client, _)| !close.excluded.contains(client))
            .map(|(client, facts)| (*client, facts.digest))
            .collect();
        let size = u32::try_from(left.len()).unwrap_or(u32::MAX);
        if size < self.minimum {
            return Err(Refusal::CohortTooSmall {
                size,
                minimum: self.minimum,
            });
        }
        if left != close.cohort {
            return Err(Refusal::CohortMismatch);
        }
        self.accepted.retain(|client, _| left.contains_key(client));
        self.staged = None;
        self.close = Some(close.clone());
        self.closed_at = now;
        self.phase = Phase::Releasing;
        Ok(Yes::Done)
    }

    /// `lie`: a block that is not the sum's, or in `stream` one where none belongs.
    pub(crate) fn release(&mut self, index: u64, lie: bool) -> Expected {
        self.phase_is(Phase::Releasing)?;
        let times = usize::try_from(index)
            .ok()
            .and_then(|place| self.times.get_mut(place))
            .filter(|times| **times < 3)
            .ok_or(Refusal::NoMoreOfThisBlock)?;
        if lie {
            return Err(if self.stream {
                Refusal::WrongIntake
            } else {
                Refusal::NotOfTheSum
            });
        }
        *times += 1;
        Ok(Yes::Done)
    }

    pub(crate) fn finish(&mut self) -> Expected {
        if self.phase == Phase::Released {
            return Ok(Yes::Done);
        }
        self.phase_is(Phase::Releasing)?;
        let missing = self.missing();
        if missing > 0 {
            return Err(Refusal::Unreleased { missing });
        }
        self.finished = true;
        Ok(Yes::Done)
    }

    pub(crate) fn acknowledge(&mut self) -> Expected {
        if self.phase == Phase::Released {
            return Ok(Yes::Done);
        }
        self.phase_is(Phase::Releasing)?;
        if !self.finished {
            return Err(Refusal::Unreleased {
                missing: self.missing(),
            });
        }
        self.phase = Phase::Released;
        Ok(Yes::Done)
    }

    pub(crate) fn abort(&mut self) -> Expected {
        match self.phase {
            Phase::Aborted => Ok(Yes::Done),
            Phase::Collecting | Phase::Releasing if self.nothing_is_out() => {
                self.end(Phase::Aborted);
                Ok(Yes::Done)
            }
            phase => Err(Refusal::WrongPhase { phase }),
        }
    }

    pub(crate) fn status(&self) -> Expected {
        let count = match self.phase {
            Phase::Aborted => self.discarded,
            Phase::Lost => 0,
            _ => u32::try_from(self.accepted.len()).unwrap_or(u32::MAX),
        };
        Ok(Yes::Phase(self.phase, count))
    }

    fn missing(&self) -> u64 {
        self.times.iter().filter(|times| **times == 0).count() as u64
    }

    fn nothing_is_out(&self) -> bool {
        self.times.iter().all(|times| *times == 0)
    }

    fn end(&mut self, phase: Phase) {
        self.discarded = u32::try_from(self.accepted.len()).unwrap_or(u32::MAX);
        self.phase = phase;
        self.staged = None;
    }

    fn expire(&mut self, now: u64) {
        if self.phase != Phase::Releasing || now - self.closed_at <= RELEASE_MS {
            return;
        }
        if self.finished {
            self.phase = Phase::Released;
        } else if self.nothing_is_out() {
            self.end(Phase::Aborted);
        } else {
            self.end(Phase::Lost);
        }
    }

    fn is_over(&self) -> bool {
        !matches!(self.phase, Phase::Collecting | Phase::Releasing)
    }

    /// The sum at element `i`, in units of 2^-12.
    pub(crate) fn sum(&self, i: u64) -> i64 {
        let extra = i64::try_from(i % 3).unwrap_or(0);
        self.accepted
            .values()
            .map(|facts| facts.value + extra)
            .sum()
    }
}

/// docs/PROTOCOL.md: an hour from Close on.
const RELEASE_MS: u64 = 3_600_000;
