//! One episode: two real enclaves, a parent that obeys the operations, and the model beside them.
//!
//! After every command the enclave's answer is compared with the model's; the first difference
//! ends the episode.

use sealsum_protocol::messages::{Abort, OpenRound, Phase, Status};
use sealsum_protocol::receipt::{AbortReceipt, Receipt};
use sealsum_protocol::{
    Command, ContributionHeader, Digest, Intake, Noise, OperatorSigner, Refusal, Reply, RingBits,
    RoundBinding, RoundParams, RoundTerms, Signature, Signed, SignedRoundParams,
};
use sealsum_testkit::{Contribution, Link as _, LocalEnclave, SeededRng, operator, terms};

use crate::model::{Expected, Facts, ModelEnclave, ModelRound, Yes};
use crate::op::{Flavour, Op, OpenOp};
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
}

/// Plays operations from a fresh start. The same seed and operations give the same outcome.
///
/// # Errors
/// The first [`Violation`].
pub fn play(seed: u64, ops: &[Op], sabotage: Sabotage) -> Result<Figures, Violation> {
    let mut world = World::new(seed, sabotage);
    for (at, op) in ops.iter().enumerate() {
        world.step(*op).map_err(|what| Violation { at, what })?;
    }
    Ok(Figures {
        ops: ops.len() as u64,
        rounds: world.rounds.len() as u64,
        released: world.watch.released(),
    })
}

pub(crate) struct World {
    pub(crate) rng: SeededRng,
    pub(crate) sabotage: Sabotage,
    enclaves: [LocalEnclave; 2],
    models: [ModelEnclave; 2],
    incarnations: u64,
    seed: u64,
    pub(crate) now: u64,
    pub(crate) rounds: Vec<RealRound>,
    pub(crate) pool: Vec<Sent>,
    pub(crate) sites: Sites,
    pub(crate) watch: Watch,
}

/// A round as the parent knows it.
pub(crate) struct RealRound {
    enclave: usize,
    pub(crate) binding: RoundBinding,
    pub(crate) honest_operator: bool,
    /// Contributions that the enclave accepted, as places in the pool.
    pub(crate) accepted: Vec<usize>,
    pub(crate) closed: Option<crate::ending::Closed>,
    pub(crate) receipt: Option<Signed<Receipt>>,
    pub(crate) abort: Option<Signed<AbortReceipt>>,
}

impl RealRound {
    pub(crate) fn terms(&self) -> &RoundTerms {
        self.binding.params.params.terms()
    }
}

/// A contribution that exists, sent or not; the parent forgets none.
pub(crate) struct Sent {
    pub(crate) round: usize,
    pub(crate) contribution: Contribution,
    pub(crate) facts: Facts,
    /// The header as it was first made, and what opening that gives: a copy may be copied back.
    pub(crate) origin: (ContributionHeader, Result<(), Refusal>),
}

pub(crate) type Step = Result<(), String>;

impl World {
    fn new(seed: u64, sabotage: Sabotage) -> Self {
        let enclave = |n| LocalEnclave::new(seed.wrapping_mul(1_000_003).wrapping_add(n));
        Self {
            rng: SeededRng::new(seed ^ 0x5157),
            sabotage,
            enclaves: [enclave(1), enclave(2)],
            models: Default::default(),
            incarnations: 2,
            seed,
            now: 0,
            rounds: Vec::new(),
            pool: Vec::new(),
            sites: Sites::default(),
            watch: Watch::default(),
        }
    }

    fn step(&mut self, op: Op) -> Step {
        match op {
            Op::Open(open) => self.open(open),
            Op::Seal(client, round) => self.with(round, |w, r| w.seal(client, r)),
            Op::Send(client, round, connection, half) => {
                self.with(round, |w, r| w.send(client, r, connection, half))
            }
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
            Op::RestartParent => {
                for (enclave, connection) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                    self.drop_connection(enclave, connection);
                }
                Ok(())
            }
            Op::RestartEnclave(enclave) => {
                let place = usize::from(enclave % 2);
                self.incarnations += 1;
                let seed = self.seed.wrapping_mul(1_000_003);
                self.enclaves[place] = LocalEnclave::new(seed.wrapping_add(self.incarnations));
                self.models[place] = ModelEnclave::default();
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
                for enclave in &self.enclaves {
                    enclave.clock.advance(millis);
                }
                Ok(())
            }
        }
    }

    /// Rounds are named from the newest back.
    fn with(&mut self, back: u8, step: impl FnOnce(&mut Self, usize) -> Step) -> Step {
        match self.rounds.len() {
            0 => Ok(()),
            count => step(self, count - 1 - usize::from(back) % count),
        }
    }

    fn drop_connection(&mut self, enclave: usize, connection: u64) {
        self.enclaves[enclave].connect(connection).disconnect();
        self.models[enclave].disconnect(connection);
    }

    fn open(&mut self, op: OpenOp) -> Step {
        let place = usize::from(op.enclave % 2);
        let intake = if op.stream {
            Intake::Stream
        } else {
            Intake::Presum
        };
        let (number, base) = self.watch.number(op.task, op.number_back, op.base_back);
        let wanted = RoundTerms {
            task: if op.task == 0 { "beds" } else { "wards" }
                .parse()
                .map_err(text)?,
            round_number: number,
            base_model: Digest::new([base; 32]),
            ring_bits: RingBits::new(23).map_err(text)?,
            dimension: if op.wide { 16_384 + 21 } else { 21 },
            min_cohort: op.min.into(),
            max_cohort: u32::from(op.min) + 2,
            ..terms(intake)
        };
        let (params, mut expected) = signed(wanted.clone(), op.flavour)?;
        let model = &mut self.models[place];
        model.expire(self.now);
        expected = model
            .may_open()
            .and(expected)
            .and_then(|()| model.has_room());
        let reply = self.enclaves[place].say(Command::OpenRound(Box::new(OpenRound { params })));
        match (reply, expected) {
            (Reply::Opened(opened), Ok(())) => {
                let blocks = if op.wide { 2 } else { 1 };
                let round =
                    ModelRound::new(op.stream, wanted.min_cohort, wanted.max_cohort, blocks);
                self.models[place].open(self.rounds.len(), round);
                self.rounds.push(RealRound {
                    enclave: place,
                    binding: opened.binding,
                    honest_operator: op.flavour != Flavour::OtherOperator,
                    accepted: Vec::new(),
                    closed: None,
                    receipt: None,
                    abort: None,
                });
                Ok(())
            }
            (Reply::Refused(found), Err(expected)) if found == expected => Ok(()),
            (reply, expected) => Err(format!("open: expected {expected:?}, found {reply:?}")),
        }
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

fn signed(
    wanted: RoundTerms,
    flavour: Flavour,
) -> Result<(SignedRoundParams, Result<(), Refusal>), String> {
    let sign = |terms: RoundTerms, by: &OperatorSigner| {
        RoundParams::new(terms)
            .map_err(text)?
            .sign(by)
            .map_err(text)
    };
    Ok(match flavour {
        Flavour::Honest => (sign(wanted, &operator())?, Ok(())),
        Flavour::Forged => {
            let mut params = sign(wanted, &operator())?;
            params.signature = Signature::new([1; 64]);
            (params, Err(Refusal::OperatorSignature))
        }
        Flavour::Noisy => {
            let noise = Noise::DiscreteGaussian {
                sigma: 10,
                tail: 100,
            };
            let noisy = RoundTerms { noise, ..wanted };
            (sign(noisy, &operator())?, Err(Refusal::NoiseUnsupported))
        }
        Flavour::OtherOperator => {
            let other = OperatorSigner::from_secret(&[9; 32]);
            let operator = other.key();
            let terms = RoundTerms { operator, ..wanted };
            (sign(terms, &other)?, Ok(()))
        }
    })
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
