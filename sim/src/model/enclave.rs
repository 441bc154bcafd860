//! The reference model of an enclave: its rounds, its limits, and what time and shutdown end.

use std::collections::{BTreeMap, VecDeque};

use sealsum_protocol::Refusal;
use sealsum_protocol::messages::Phase;

use super::{Expected, ModelRound};

/// One enclave: rounds by their number in the simulation.
#[derive(Default)]
pub(crate) struct ModelEnclave {
    rounds: BTreeMap<usize, ModelRound>,
    ended: VecDeque<usize>,
    shutting_down: bool,
}

impl ModelEnclave {
    pub(crate) fn may_open(&self) -> Result<(), Refusal> {
        if self.shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        Ok(())
    }

    pub(crate) fn has_room(&self) -> Result<(), Refusal> {
        if self.rounds.len() - self.ended.len() >= 64 {
            return Err(Refusal::TooManyRounds { limit: 64 });
        }
        Ok(())
    }

    pub(crate) fn open(&mut self, round: usize, model: ModelRound) {
        self.rounds.insert(round, model);
    }

    /// Lets `step` act on a round, after what time has ended.
    pub(crate) fn on(
        &mut self,
        round: usize,
        now: u64,
        step: impl FnOnce(&mut ModelRound) -> Expected,
    ) -> Expected {
        self.expire(now);
        let found = self.rounds.get_mut(&round).ok_or(Refusal::UnknownRound)?;
        let was_over = found.is_over();
        let expected = step(found);
        if found.is_over() && !was_over {
            self.ended.push_back(round);
        }
        self.forget();
        expected
    }

    pub(crate) fn round(&self, round: usize) -> Option<&ModelRound> {
        self.rounds.get(&round)
    }

    pub(crate) fn expire(&mut self, now: u64) {
        for (number, round) in &mut self.rounds {
            let was_over = round.is_over();
            round.expire(now);
            if round.is_over() && !was_over {
                self.ended.push_back(*number);
            }
        }
        self.forget();
    }

    pub(crate) fn disconnect(&mut self, connection: u64) {
        for round in self.rounds.values_mut() {
            round.disconnect(connection);
        }
    }

    pub(crate) fn shutdown(&mut self) {
        self.shutting_down = true;
        for (number, round) in &mut self.rounds {
            if round.phase == Phase::Collecting {
                round.end(Phase::Aborted);
                self.ended.push_back(*number);
            }
        }
        self.forget();
    }

    fn forget(&mut self) {
        while self.ended.len() > 64 {
            if let Some(round) = self.ended.pop_front() {
                self.rounds.remove(&round);
            }
        }
    }
}
