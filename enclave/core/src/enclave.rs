//! The enclave: its rounds, and the way of each command to the right one.

use core::num::NonZeroUsize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealsum_protocol::messages::{
    Attest, ContributeMany, Description, Evidence, HEADERS_LIMIT, OpenRound, Opened, ReleaseBlock,
    RoundStatus, StageBlock, Verdict,
};
use sealsum_protocol::{Command, Digest, OpeningId, Refusal, Reply, RoundId, VERSION};

use crate::memory::MemoryBudget;
use crate::opening;
use crate::round::collecting::Collecting;
use crate::round::{Ended, Round};
use crate::seams::{Clock, Nsm};
use crate::stack;
use crate::workers::Workers;

/// Names one connection among those that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// A reply and its raw body.
pub struct Answer {
    /// The message.
    pub reply: Reply,
    /// A released block, or nothing.
    pub body: Vec<u8>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self {
            reply,
            body: Vec::new(),
        }
    }
}

/// All state of one enclave. It has no disk: when it ends, its open rounds are lost.
pub struct Enclave<N, C> {
    nsm: N,
    clock: C,
    memory: MemoryBudget,
    rounds: BTreeMap<RoundId, Round>,
    /// Which opening gave which round: one each, for as long as the round is known.
    openings: BTreeMap<OpeningId, RoundId>,
    /// Ended rounds, oldest first, so that their records stay bounded.
    ended: VecDeque<RoundId>,
    /// Of those, what the enclave aborted by itself and nobody has asked for yet.
    unfetched: BTreeSet<RoundId>,
    shutting_down: bool,
    workers: Workers,
}

impl<N: Nsm, C: Clock> Enclave<N, C> {
    /// An enclave without rounds that holds at most `memory_ceiling` bytes for them.
    pub fn new(nsm: N, clock: C, memory_ceiling: u64) -> Self {
        Self {
            nsm,
            clock,
            memory: MemoryBudget::new(memory_ceiling),
            rounds: BTreeMap::new(),
            openings: BTreeMap::new(),
            ended: VecDeque::new(),
            unfetched: BTreeSet::new(),
            shutting_down: false,
            workers: Workers::new(NonZeroUsize::MIN),
        }
    }

    /// The same enclave, with a command's work shared out among `threads`, at most 16. Their
    /// number changes no reply.
    #[must_use]
    pub fn with_threads(self, threads: NonZeroUsize) -> Self {
        Self {
            workers: Workers::new(threads),
            ..self
        }
    }

    /// Carries out one command. A refusal changes nothing that it does not name.
    pub fn handle(&mut self, connection: ConnectionId, command: Command, body: &[u8]) -> Answer {
        self.erase_overdue();
        if !body.is_empty() && !matches!(command, Command::StageBlock(_) | Command::ReleaseBlock(_))
        {
            return Reply::Refused(Refusal::Malformed).into();
        }
        let answer = self
            .carry_out(connection, command, body)
            .unwrap_or_else(|refusal| Reply::Refused(refusal).into());
        // After each: some 70 us of work on a block leave no measurable difference.
        stack::erase_dead_frames();
        answer
    }

    /// A connection ended: what it was staging is dropped (I9).
    pub fn disconnect(&mut self, connection: ConnectionId) {
        for round in self.rounds.values_mut() {
            if let Round::Collecting(collecting) = round {
                collecting.disconnect(connection);
            }
        }
    }

    /// Shuts down: no round opens any more, and those that collect are aborted, their
    /// keys and sums erased with that. The enclave only answers, so the signed abort
    /// receipts wait here for a parent that asks. A round that is releasing goes on (I13).
    pub fn shutdown(&mut self) {
        let collecting: Vec<_> = self
            .rounds
            .iter()
            .filter(|(_, round)| matches!(round, Round::Collecting(_)))
            .map(|(round_id, _)| *round_id)
            .collect();
        self.shutting_down = true;
        for round_id in collecting {
            // A round that collects can always be aborted.
            if self.transition(round_id, Round::abort).is_ok() {
                self.unfetched.insert(round_id);
            }
        }
    }

    /// Whether an enclave that shuts down may end without a loss: each abort receipt has
    /// been asked for, and no round is releasing.
    pub fn is_at_rest(&self) -> bool {
        let releasing = |round: &Round| matches!(round, Round::Releasing(_));
        self.shutting_down && self.unfetched.is_empty() && !self.rounds.values().any(releasing)
    }

    fn carry_out(
        &mut self,
        connection: ConnectionId,
        command: Command,
        body: &[u8],
    ) -> Result<Answer, Refusal> {
        Ok(match command {
            Command::Describe => Reply::Description(self.describe()).into(),
            Command::OpenRound(open) => Reply::Opened(Box::new(self.open(*open)?)).into(),
            Command::Attest(attest) => Reply::Evidence(self.attest(&attest)?).into(),
            Command::Contribute(contribute) => {
                let header = contribute.header;
                self.round(&header.round_id)?
                    .collecting()?
                    .contribute(connection, header)?
                    .into()
            }
            Command::ContributeMany(many) => Reply::Verdicts(self.contribute_many(*many)?).into(),
            Command::StageBlock(block) => self.stage(connection, &block, body)?.into(),
            Command::Close(close) => {
                let now = self.clock.monotonic_millis();
                let round_id = close.round_id;
                Reply::Closed(self.transition(round_id, |round| round.close(close, now))?).into()
            }
            Command::ReleaseBlock(block) => self.release(&block, body)?,
            Command::Finish(finish) => {
                Reply::Receipt(Box::new(self.round(&finish.round_id)?.finish()?)).into()
            }
            Command::Acknowledge(acknowledge) => {
                self.transition(acknowledge.round_id, Round::acknowledge)?;
                Reply::Acknowledged.into()
            }
            Command::Abort(abort) => {
                let receipt = self.transition(abort.round_id, Round::abort)?;
                self.unfetched.remove(&abort.round_id);
                Reply::Aborted(receipt).into()
            }
            Command::Status(status) => Reply::Status(self.status(&status.round_id)?).into(),
        })
    }

    fn describe(&self) -> Description {
        Description {
            version: VERSION,
            memory_ceiling: self.memory.ceiling(),
            memory_reserved: self.memory.reserved(),
            open_rounds: u32::try_from(self.open_rounds()).unwrap_or(u32::MAX),
        }
    }

    fn open(&mut self, open: OpenRound) -> Result<Opened, Refusal> {
        if self.shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        // Asked again: nothing is reserved or drawn a second time.
        if let Some(round_id) = self.openings.get(&open.opening).copied() {
            let binding = self.round(&round_id)?.collecting()?.binding().clone();
            return if binding.params == open.params {
                Ok(Opened { binding })
            } else {
                Err(Refusal::Malformed)
            };
        }
        let params = opening::admit(&open.params)?;
        if self.open_rounds() >= OPEN_ROUNDS_LIMIT {
            return Err(Refusal::TooManyRounds {
                limit: u32::try_from(OPEN_ROUNDS_LIMIT).unwrap_or(u32::MAX),
            });
        }
        let reservation = self.memory.reserve(params)?;
        let (keys, binding) = opening::draw_keys(open.params, &mut self.nsm)?;
        let collecting = Collecting::new(keys, binding.clone(), reservation);
        let round_id = binding.round_id();
        self.rounds
            .insert(round_id, Round::Collecting(Box::new(collecting)));
        self.openings.insert(open.opening, round_id);
        Ok(Opened { binding })
    }

    fn attest(&mut self, attest: &Attest) -> Result<Evidence, Refusal> {
        // A round that no longer collects gets no fresh evidence: no one may seal to it.
        self.round(&attest.round_id)?.collecting()?;
        let nonce = Digest::new(*attest.nonce.as_bytes());
        let document = self
            .nsm
            .attest(&nonce, &attest.round_id)
            .map_err(|_| Refusal::Device)?;
        Ok(Evidence {
            document: document.into(),
        })
    }

    fn contribute_many(&mut self, many: ContributeMany) -> Result<Vec<Verdict>, Refusal> {
        let ContributeMany { round_id, headers } = many;
        if headers.is_empty() || headers.len() > HEADERS_LIMIT {
            return Err(Refusal::Malformed);
        }
        let headers: Vec<_> = headers
            .into_iter()
            .map(|header| header.in_round(round_id))
            .collect();
        let workers = self.workers;
        self.round(&round_id)?
            .collecting()?
            .contribute_many(headers, workers)
    }

    fn stage(
        &mut self,
        connection: ConnectionId,
        block: &StageBlock,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        self.round(&block.round_id)?
            .collecting()?
            .stage(connection, block, body)
    }

    fn release(&mut self, block: &ReleaseBlock, body: &[u8]) -> Result<Answer, Refusal> {
        let workers = self.workers;
        let (released, body) = self
            .round(&block.round_id)?
            .releasing()?
            .release(block, body, workers)?;
        Ok(Answer {
            reply: Reply::Released(released),
            body,
        })
    }

    fn status(&mut self, round_id: &RoundId) -> Result<RoundStatus, Refusal> {
        Ok(self.round(round_id)?.status())
    }

    fn round(&mut self, round_id: &RoundId) -> Result<&mut Round, Refusal> {
        self.rounds.get_mut(round_id).ok_or(Refusal::UnknownRound)
    }

    /// Moves a round through a transition that consumes it; whichever state comes
    /// out goes back, refused or not.
    fn transition<T>(
        &mut self,
        round_id: RoundId,
        step: impl FnOnce(Round) -> (Round, Result<T, Refusal>),
    ) -> Result<T, Refusal> {
        let round = self.rounds.remove(&round_id).ok_or(Refusal::UnknownRound)?;
        let was_over = round.is_over();
        let (round, outcome) = step(round);
        if round.is_over() && !was_over {
            self.ended.push_back(round_id);
        }
        self.rounds.insert(round_id, round);
        self.forget_oldest();
        outcome
    }

    /// A release that no one finished in time is erased (I13): its seeds and sums
    /// don't wait for a parent that went away. Every command begins with this; whoever
    /// runs the enclave also calls it on a timer, for when no command comes.
    pub fn erase_overdue(&mut self) {
        let now = self.clock.monotonic_millis();
        let overdue: Vec<_> = self
            .rounds
            .iter()
            .filter(|(_, round)| round.is_overdue(now))
            .map(|(round_id, _)| *round_id)
            .collect();
        for round_id in overdue {
            // The step always succeeds; a round that is not there needs none.
            let _ = self.transition(round_id, |round| {
                (Round::Ended(Ended::overdue(round)), Ok(()))
            });
            if let Some(Round::Ended(Ended::Aborted(_))) = self.rounds.get(&round_id) {
                self.unfetched.insert(round_id);
            }
        }
    }

    fn forget_oldest(&mut self) {
        while self.ended.len() > ENDED_LIMIT {
            if let Some(round_id) = self.ended.pop_front() {
                self.rounds.remove(&round_id);
                self.openings.retain(|_, opened| *opened != round_id);
                self.unfetched.remove(&round_id);
            }
        }
    }

    fn open_rounds(&self) -> usize {
        self.rounds.len().saturating_sub(self.ended.len())
    }
}

/// Rounds open at once. Their memory is bounded apart from this; their number
/// bounds what every command looks through.
const OPEN_ROUNDS_LIMIT: usize = 64;
/// Ended rounds whose receipts are kept for a parent that asks again: about 34 KiB
/// each at most, with a full list of exclusions.
const ENDED_LIMIT: usize = 64;
