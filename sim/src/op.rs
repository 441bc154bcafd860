//! What can happen, drawn from a seed.
//!
//! Operations name clients, rounds and connections by small numbers that are read modulo
//! what there is, so that a list stays meaningful when operations are deleted from it.

use sealsum_testkit::SeededRng;

/// One step of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Open a round: which enclave, task, repeated or new number and base model.
    Open(OpenOp),
    /// An honest client asks for an offer and seals, if policy and ledger allow; it dies as its
    /// upload arrives.
    Seal(u8, u8),
    /// The bytes that arrived, sealed now if they are not yet, go to the enclave on a connection:
    /// whole, or the header only.
    Send(u8, u8, u8, bool),
    /// An honest client takes up its contribution again, and is answered like this.
    Resume(u8, u8, Answering),
    /// A hostile contribution: kind, round, which contribution or id, connection.
    Hostile(Hostile, u8, u8, u8),
    /// Any contribution that was ever sent, again.
    Replay(u8, u8),
    /// A block that nobody awaits.
    StrayBlock(u8, u8),
    /// A connection breaks, in the middle of an upload or not.
    Drop(u8, u8),
    /// Close a round.
    Close(u8, CloseAs),
    /// Ask for one block.
    Release(u8, u8, bool),
    /// Ask for the receipt.
    Finish(u8),
    /// Say that aggregate and receipt are stored.
    Acknowledge(u8),
    /// Abort a round.
    Abort(u8),
    /// Ask for phase and count.
    Status(u8),
    /// An honest client collects the aggregate and looks for itself.
    Collect(u8, u8),
    /// A client asks its ledger for the round back, with a proof of this kind.
    Refund(u8, u8, Proof),
    /// The parent ends: every connection breaks. A shipped one ends in the way that this names, and
    /// starts again.
    RestartParent(u8),
    /// An enclave ends without a word; another takes its place.
    RestartEnclave(u8),
    /// An enclave is told to shut down.
    Shutdown(u8),
    /// Seconds pass.
    Advance(u16),
}

/// Parameters of a round to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOp {
    /// Which of the two enclaves.
    pub enclave: u8,
    /// Which task.
    pub task: u8,
    /// The task's next number, or one this far back.
    pub number_back: u8,
    /// A new base model, or one this far back.
    pub base_back: u8,
    /// `stream`, or `presum`.
    pub stream: bool,
    /// Clients at least, 3 to 5.
    pub min: u8,
    /// Two blocks, or one.
    pub wide: bool,
    /// What is wrong with the parameters.
    pub flavour: Flavour,
    /// Whom they admit.
    pub admit: Admit,
}

/// Whom a round admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Anybody.
    Open,
    /// Those in the registry of the newest epoch, or of one this far back.
    Registry(u8),
    /// Those in a new registry, which begins an epoch.
    NewEpoch,
    /// Those in the newest registry, by a grant that has run out.
    Expired,
}

/// How the upload of a client that resumes is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// By the enclave's acceptance, if there is one.
    Honest,
    /// By an acceptance of another key.
    Forged,
    /// By the acceptance of another client's contribution.
    Anothers,
    /// Not at all: the client dies waiting.
    Silence,
    /// There is none: the site has another update than the one that it sealed.
    OtherUpdate,
}

/// What is wrong with parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Nothing.
    Honest,
    /// The signature.
    Forged,
    /// They ask for noise.
    Noisy,
    /// Another operator signed them: the enclave serves it, no honest client does.
    OtherOperator,
}

/// What is wrong with a contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// Nothing: another id, well behaved.
    Sybil,
    /// Sealed bytes that are noise.
    Garbage,
    /// Another's contribution under an id of its own.
    CopiedId,
    /// Another round's contribution.
    CopiedRound,
    /// A weight above the bound.
    OverWeight,
    /// Elements above the bound.
    OverNorm,
    /// A padding bit that is set.
    Padding,
    /// A body that is not the commitment's.
    OtherBody,
    /// A block that is too short.
    ShortBlock,
    /// No credential; the same as none wrong under open admission.
    NoCredential,
    /// Another's place in the registry, signed by a key that is not in it.
    AnothersPlace,
}

/// How a parent closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAs {
    /// With what the enclave accepted.
    Honest,
    /// As if one client were not there.
    WithoutOne,
    /// Naming one as excluded.
    ExcludingOne,
    /// Naming a stranger as excluded.
    ExcludingStranger,
    /// As the other intake.
    WrongIntake,
}

/// What a client is shown to free a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The abort receipt that the parent has.
    Abort,
    /// An abort receipt of another key.
    ForgedAbort,
    /// The abort receipt of another round.
    AnothersAbort,
    /// Receipt and cohort proof.
    Exclusion,
    /// The receipt with a proof from a cohort without this client.
    ForgedExclusion,
}

/// The operations of the episode that `seed` names.
#[must_use]
pub fn draw(seed: u64, count: usize) -> Vec<Op> {
    let mut rng = SeededRng::new(seed);
    (0..count).map(|_| one(&mut rng)).collect()
}

fn one(rng: &mut SeededRng) -> Op {
    let [a, b, c, d] = rng.bytes();
    // Mostly one of the newest, where things happen; else any.
    let round = if d % 4 == 0 { b % 64 } else { b % 3 };
    match rng.below(100) {
        0..3 => Op::Open(open(rng)),
        3..10 => Op::Seal(a, round),
        10..38 => Op::Send(a, round, c % 3, c < 40),
        38..44 => Op::Resume(a, round, pick(rng, &REPLIES)),
        44..53 => Op::Hostile(pick(rng, &HOSTILE), round, a, c % 3),
        53..57 => Op::Replay(a, c % 3),
        57..59 => Op::StrayBlock(round, c % 3),
        59..61 => Op::Drop(a, c % 3),
        61..69 => Op::Close(round, pick(rng, &CLOSES)),
        69..81 => Op::Release(round, c % 3, a < 25),
        81..86 => Op::Finish(round),
        86..88 => Op::Acknowledge(round),
        88..89 => Op::Abort(round),
        89..91 => Op::Status(round),
        91..93 => Op::Refund(a, round, pick(rng, &PROOFS)),
        93..95 => Op::Collect(a, round),
        95..97 => Op::RestartParent(a),
        97..98 => match c {
            0..60 => Op::RestartEnclave(a),
            60..80 => Op::Shutdown(a),
            _ => Op::Status(round),
        },
        _ => Op::Advance(pick(rng, &[7, 7, 211, 211, 400, 3601])),
    }
}

fn open(rng: &mut SeededRng) -> OpenOp {
    let [a, b, c, d, e] = rng.bytes();
    let task = (a >> 1) & 1;
    // Mostly what the task's policies want.
    let admit = match e {
        0..10 => Admit::Open,
        10..20 => Admit::Registry(0),
        _ if task == 0 => Admit::Open,
        20..60 => Admit::NewEpoch,
        60..75 => Admit::Registry(1 + e % 3),
        75..85 => Admit::Expired,
        _ => Admit::Registry(0),
    };
    OpenOp {
        enclave: a & 1,
        task,
        admit,
        number_back: if b % 3 == 0 { 1 + b % 5 } else { 0 },
        base_back: if c % 3 == 0 { 1 + c % 5 } else { 0 },
        stream: d & 1 == 0,
        min: 3 + (d >> 1) % 3,
        wide: d > 240,
        flavour: pick(
            rng,
            &[
                Flavour::Honest,
                Flavour::Honest,
                Flavour::Honest,
                Flavour::Honest,
                Flavour::Honest,
                Flavour::Honest,
                Flavour::Honest,
                Flavour::Forged,
                Flavour::Noisy,
                Flavour::OtherOperator,
            ],
        ),
    }
}

fn pick<T: Copy>(rng: &mut SeededRng, from: &[T]) -> T {
    let place = rng.below(from.len() as u64);
    from[usize::try_from(place).unwrap_or(0)]
}

const HOSTILE: [Hostile; 12] = [
    Hostile::Sybil,
    Hostile::Sybil,
    Hostile::Garbage,
    Hostile::CopiedId,
    Hostile::CopiedRound,
    Hostile::OverWeight,
    Hostile::OverNorm,
    Hostile::Padding,
    Hostile::OtherBody,
    Hostile::ShortBlock,
    Hostile::NoCredential,
    Hostile::AnothersPlace,
];
const REPLIES: [Answering; 7] = [
    Answering::Honest,
    Answering::Honest,
    Answering::Honest,
    Answering::Forged,
    Answering::Anothers,
    Answering::Silence,
    Answering::OtherUpdate,
];
const CLOSES: [CloseAs; 9] = [
    CloseAs::Honest,
    CloseAs::Honest,
    CloseAs::Honest,
    CloseAs::Honest,
    CloseAs::Honest,
    CloseAs::WithoutOne,
    CloseAs::ExcludingOne,
    CloseAs::ExcludingStranger,
    CloseAs::WrongIntake,
];
const PROOFS: [Proof; 7] = [
    Proof::Abort,
    Proof::Abort,
    Proof::AnothersAbort,
    Proof::Exclusion,
    Proof::Exclusion,
    Proof::ForgedAbort,
    Proof::ForgedExclusion,
];
