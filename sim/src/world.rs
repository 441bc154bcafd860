//! One episode: two real enclaves, a parent that obeys the operations, and the model beside them.
//!
//! After every command the enclave's answer is compared with the model's; the first difference
//! ends the episode.

use std::collections::BTreeMap;

use sealsum_client::BaseModel;
use sealsum_protocol::messages::{Abort, Phase, Status};
use sealsum_protocol::receipt::{AbortReceipt, Acceptance, Receipt};
use sealsum_protocol::{
    Command, ContributionHeader, Refusal, Registry, Reply, RoundBinding, RoundEvidence, RoundTerms,
    Signed,
};
use sealsum_testkit::{Contribution, Link as _, SeededRng};
use tokio::runtime::Runtime;

use crate::counter::Counter;
use crate::enclaves::{LiveEnclave, Maker, unix_time};
use crate::hosted::{Host, Hosted, Socket};
use crate::houses::{Houses, set_clocks};
use crate::model::{Expected, Facts, ModelEnclave, ModelRound, Yes};
use crate::op::Op;
use crate::sabotage::Sabotage;
use crate::sites::Sites;
use crate::watch::Watch;

/// What was found wrong, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Place of the operation in the episode.
    pub at: usize,
    /// Which promise broke, expected and found.
    pub what: String,
}

/// What an episode came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Operations carried out.
    pub ops: u64,
    /// Rounds opened.
    pub rounds: u64,
    /// Rounds whose receipt was signed.
    pub released: u64,
    /// Honest clients that died before they had an answer.
    pub deaths: u64,
    /// Requests in whose middle a parent crashed.
    pub crashes: u64,
}

/// Who plays the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentAs {
    /// The operations themselves, which say each frame: fast, and as hostile as can be.
    Scripted,
    /// `sealsum-parent`, over its sockets and on its disk.
    Shipped,
}

/// Plays operations from a fresh start. The same seed and operations give the same outcome.
///
/// # Errors
/// The first [`Violation`].
pub fn play(
    seed: u64,
    ops: &[Op],
    parent: ParentAs,
    sabotage: Sabotage,
) -> Result<Figures, Violation> {
    let world = match parent {
        ParentAs::Scripted => World::new(seed, sabotage),
        ParentAs::Shipped => World::with_parent(seed, sabotage),
    };
    let mut world = world.map_err(|what| Violation { at: 0, what })?;
    for (at, op) in ops.iter().enumerate() {
        world.step(*op).map_err(|what| Violation { at, what })?;
    }
    Ok(Figures {
        ops: ops.len() as u64,
        rounds: world.rounds.len() as u64,
        released: world.watch.released(),
        ..world.figures
    })
}

pub(crate) struct World {
    pub(crate) rng: SeededRng,
    pub(crate) sabotage: Sabotage,
    pub(crate) maker: Maker,
    pub(crate) enclaves: [LiveEnclave; 2],
    pub(crate) models: [ModelEnclave; 2],
    pub(crate) incarnations: u64,
    pub(crate) seed: u64,
    pub(crate) now: u64,
    pub(crate) rounds: Vec<RealRound>,
    pub(crate) pool: Vec<Sent>,
    /// By epoch, from 0.
    pub(crate) registries: Vec<Registry>,
    pub(crate) sites: Sites,
    pub(crate) houses: Houses,
    pub(crate) counter: Counter,
    pub(crate) runtime: Runtime,
    pub(crate) watch: Watch,
    /// Deaths and crashes are counted here.
    pub(crate) figures: Figures,
    /// The parent, unless its part is scripted.
    pub(crate) hosted: Option<Hosted>,
}

/// A round as the parent knows it.
pub(crate) struct RealRound {
    pub(crate) enclave: usize,
    pub(crate) task: usize,
    pub(crate) binding: RoundBinding,
    pub(crate) evidence: RoundEvidence,
    pub(crate) base_model: BaseModel,
    pub(crate) honest_operator: bool,
    /// Epoch of the registry, and whether its grant holds.
    pub(crate) registry: Option<(usize, bool)>,
    /// The enclave's acceptances, by place in the pool.
    pub(crate) acceptances: BTreeMap<usize, Signed<Acceptance>>,
    /// Blocks of the aggregate that came out.
    pub(crate) blocks: BTreeMap<u64, Vec<u8>>,
    /// Contributions that the enclave accepted, as places in the pool.
    pub(crate) accepted: Vec<usize>,
    pub(crate) closed: Option<crate::ending::Closed>,
    pub(crate) receipt: Option<Signed<Receipt>>,
    pub(crate) abort: Option<Signed<AbortReceipt>>,
    /// A parent has found out that its enclave is gone.
    pub(crate) lost: bool,
}

impl RealRound {
    /// How it ended, as far as is known outside of its enclave.
    pub(crate) fn end(&self) -> Option<Phase> {
        match (&self.receipt, &self.abort, self.lost) {
            (Some(_), ..) => Some(Phase::Released),
            (_, Some(_), _) => Some(Phase::Aborted),
            (.., true) => Some(Phase::Lost),
            _ => None,
        }
    }

    pub(crate) fn terms(&self) -> &RoundTerms {
        self.binding.params.params.terms()
    }
}

/// A contribution that exists, sent or not; the parent forgets none.
pub(crate) struct Sent {
    pub(crate) round: usize,
    pub(crate) contribution: Contribution,
    pub(crate) facts: Facts,
    pub(crate) origin: Origin,
}

/// The header as it was first made, what opening that gives, and its credential: a copy may be
/// copied back.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) header: ContributionHeader,
    pub(crate) opens: Result<(), Refusal>,
    pub(crate) credential: Option<bool>,
}

pub(crate) type Step = Result<(), String>;

impl World {
    fn new(seed: u64, sabotage: Sabotage) -> Result<Self, String> {
        let maker = Maker::new()?;
        let enclave = |n| maker.boot(seed.wrapping_mul(1_000_003).wrapping_add(n));
        let enclaves = [enclave(1)?, enclave(2)?];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(text)?;
        set_clocks(unix_time(&maker.clock));
        Ok(Self {
            rng: SeededRng::new(seed ^ 0x5157),
            sabotage,
            enclaves,
            models: Default::default(),
            incarnations: 2,
            seed,
            now: 0,
            rounds: Vec::new(),
            pool: Vec::new(),
            registries: Vec::new(),
            sites: Sites::default(),
            houses: Houses::found(&maker)?,
            counter: runtime.block_on(Counter::start())?,
            runtime,
            maker,
            watch: Watch::default(),
            figures: Figures::default(),
            hosted: None,
        })
    }

    /// The same with the parent as it is shipped.
    fn with_parent(seed: u64, sabotage: Sabotage) -> Result<Self, String> {
        let mut world = Self::new(seed, sabotage)?;
        let socket = Socket::open(world.enclaves[0].clone())?;
        let data = world.houses.folder().join("parent");
        let host = Host::start(&data, socket.address)?;
        world.hosted = Some(Hosted::new(host, socket));
        Ok(world)
    }

    fn step(&mut self, op: Op) -> Step {
        if self.hosted.is_some() {
            return self.hosted_step(op);
        }
        self.shared_step(op)
    }

    /// What a client takes for the parent.
    pub(crate) fn url(&self) -> &str {
        let hosted = self.hosted.as_ref().map(|hosted| &hosted.host.url);
        hosted.unwrap_or(&self.counter.url)
    }

    pub(crate) fn shared_step(&mut self, op: Op) -> Step {
        match op {
            Op::Open(open) => self.open(open),
            Op::Seal(client, round) => self.with(round, |w, r| w.seal(client, r)),
            Op::Send(client, round, connection, half) => {
                self.with(round, |w, r| w.send(client, r, connection, half))
            }
            Op::Resume(client, round, reply) => self.with(round, |w, r| w.resume(client, r, reply)),
            Op::Collect(client, round) => self.with(round, |w, r| w.collect(client, r)),
            Op::Hostile(kind, round, which, connection) => {
                self.with(round, |w, r| w.hostile(kind, r, which, connection))
            }
            Op::Replay(which, connection) => self.replay(which, connection),
            Op::StrayBlock(round, connection) => {
                self.with(round, |w, r| w.stray_block(r, connection))
            }
            Op::Drop(enclave, connection) => {
                self.drop_connection(usize::from(enclave % 2), connection.into());
                Ok(())
            }
            Op::Close(round, how) => self.with(round, |w, r| w.close(r, how)),
            Op::Release(round, block, lie) => self.with(round, |w, r| w.release(r, block, lie)),
            Op::Finish(round) => self.with(round, Self::finish),
            Op::Acknowledge(round) => self.with(round, Self::acknowledge),
            Op::Abort(round) => self.with(round, Self::abort),
            Op::Status(round) => self.with(round, Self::status),
            Op::Refund(client, round, proof) => self.with(round, |w, r| w.refund(client, r, proof)),
            Op::RestartParent(_) => {
                for (enclave, connection) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                    self.drop_connection(enclave, connection);
                }
                Ok(())
            }
            Op::RestartEnclave(enclave) => {
                let place = usize::from(enclave % 2);
                self.incarnations += 1;
                let seed = self.seed.wrapping_mul(1_000_003);
                self.enclaves[place] = self.maker.boot(seed.wrapping_add(self.incarnations))?;
                self.models[place] = ModelEnclave::default();
                let mut desk = self.counter.desk();
                for gone in self.rounds.iter().filter(|round| round.enclave == place) {
                    desk.rounds.remove(&gone.binding.round_id());
                }
                Ok(())
            }
            Op::Shutdown(enclave) => {
                let place = usize::from(enclave % 2);
                self.enclaves[place].shutdown();
                self.models[place].shutdown();
                Ok(())
            }
            Op::Advance(seconds) => {
                let millis = u64::from(seconds) * 1000;
                self.now += millis;
                self.maker.clock.advance(millis);
                set_clocks(unix_time(&self.maker.clock));
                Ok(())
            }
        }
    }

    /// Rounds are named from the newest back.
    pub(crate) fn with(&mut self, back: u8, step: impl FnOnce(&mut Self, usize) -> Step) -> Step {
        match self.rounds.len() {
            0 => Ok(()),
            count => step(self, count - 1 - usize::from(back) % count),
        }
    }

    fn drop_connection(&mut self, enclave: usize, connection: u64) {
        self.enclaves[enclave].connect(connection).disconnect();
        self.models[enclave].disconnect(connection);
    }

    fn abort(&mut self, round: usize) -> Step {
        let round_id = self.rounds[round].binding.round_id();
        let expected = self.expect(round, ModelRound::abort);
        let (reply, _) = self.say(round, 0, Command::Abort(Abort { round_id }), &[]);
        if let Reply::Aborted(receipt) = &reply {
            let key = &self.rounds[round].binding.receipt_key;
            receipt.verify(key, &round_id).map_err(text)?;
            self.watch.aborted(round)?;
            self.rounds[round].abort = Some(receipt.clone());
        }
        agree("abort", expected, &reply)
    }

    fn status(&mut self, round: usize) -> Step {
        let round_id = self.rounds[round].binding.round_id();
        let expected = self.expect(round, |model| model.status());
        let (reply, _) = self.say(round, 0, Command::Status(Status { round_id }), &[]);
        agree("status", expected, &reply)
    }

    /// What the model says to a command on a round, which changes it.
    pub(crate) fn expect(
        &mut self,
        round: usize,
        step: impl FnOnce(&mut ModelRound) -> Expected,
    ) -> Expected {
        self.models[self.rounds[round].enclave].on(round, self.now, step)
    }

    /// The model's round, if its enclave still has it.
    pub(crate) fn model(&self, round: usize) -> Option<&ModelRound> {
        self.models[self.rounds[round].enclave].round(round)
    }

    /// Whether new contributions to a round can be attested for.
    pub(crate) fn collects(&mut self, round: usize) -> bool {
        self.expect(round, |model| model.collecting().map(|()| Yes::Done))
            .is_ok()
    }

    pub(crate) fn say(
        &mut self,
        round: usize,
        connection: u64,
        command: Command,
        body: &[u8],
    ) -> (Reply, Vec<u8>) {
        let enclave = &self.enclaves[self.rounds[round].enclave];
        let answer = enclave.connect(connection).call(command, body);
        self.sabotage.tamper(answer)
    }
}

/// Compares an answer with what the model expects.
pub(crate) fn agree(what: &str, expected: Expected, reply: &Reply) -> Step {
    let found = match reply {
        Reply::Refused(refusal) => Err(*refusal),
        Reply::Accepted(_) => Ok(Yes::Accepted),
        Reply::Staging(staging) => Ok(Yes::Staging(staging.next)),
        Reply::Status(status) => Ok(Yes::Phase(status.phase, status.contributions)),
        Reply::Closed(_)
        | Reply::Released(_)
        | Reply::Receipt(_)
        | Reply::Acknowledged
        | Reply::Aborted(_) => Ok(Yes::Done),
        other => return Err(format!("{what}: unexpected {other:?}")),
    };
    // The count of a round that ended otherwise than by abort is its cohort's.
    if let (Ok(Yes::Phase(Phase::Lost, _)), Ok(Yes::Phase(Phase::Lost, _))) = (expected, found) {
        return Ok(());
    }
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, found {found:?}"))
}

pub(crate) fn text(error: impl core::fmt::Display) -> String {
    error.to_string()
}
