//! A whole `presum` round of very many clients, in batches, so that what is not the enclave's stays
//! small: a client's update is added to the parent's sum as soon as its contribution is in.

use std::thread;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use sealsum_protocol::commitment::{aggregate_leaf, aggregate_root};
use sealsum_protocol::messages::{
    Close, ContributeMany, Finish, HEADERS_LIMIT, Message, ReleaseBlock,
};
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{
    ClientId, Cohort, Command, CommitmentBuilder, Digest, KemSuite, Reply, RingBits, RingVector,
    RoundTerms,
};
use sealsum_testkit::{
    Contribution, Link as _, LocalEnclave, ScriptedParent, UncheckedClient, presum,
};

/// What a round took.
#[derive(Default)]
pub(crate) struct Ran {
    /// All commands.
    pub(crate) enclave: Time,
    /// Of those, the close.
    pub(crate) close: Time,
    /// Sealing, and the parent's sum.
    pub(crate) clients: Time,
    /// Of contributions, in both directions.
    pub(crate) boundary_bytes: u64,
    /// What the enclave set aside for the round.
    pub(crate) reserved: u64,
}

/// Time by the wall, and by the CPUs of the whole process.
#[derive(Clone, Copy, Default)]
pub(crate) struct Time {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

/// Runs the round. Panics if anything of its outcome is not as it must be.
pub(crate) fn run(clients: u32, kem: KemSuite, threads: usize) -> Ran {
    let mut ran = Ran::default();
    let mut enclave = LocalEnclave::with_threads(1, threads);
    let parent = ScriptedParent::open(
        &mut enclave,
        RoundTerms {
            dimension: DIMENSION,
            ring_bits: RingBits::new(32).expect("a width"),
            // A million of these fit.
            clip: 1 << STEP_BITS,
            fractional_bits: STEP_BITS,
            max_cohort: clients,
            kem,
            ..presum()
        },
    );
    let Reply::Description(description) = enclave.say(Command::Describe) else {
        panic!("no description");
    };
    ran.reserved = description.memory_reserved;

    let layout = parent.layout();
    let elements = layout.elements(0).expect("one block");
    let mut masked_sum = RingVector::zeros(layout.bits(), elements);
    let mut plain_sum = vec![0_i64; elements];
    let mut cohort: Vec<(ClientId, Digest)> = Vec::new();
    let all: Vec<u64> = (0..clients.into()).collect();
    for some in all.chunks(GATHERED) {
        let contributions = ran.clients.spend(|| sealed(&parent, some, threads));
        for batch in contributions.chunks(HEADERS_LIMIT) {
            let many = Command::ContributeMany(Box::new(ContributeMany {
                round_id: parent.round_id(),
                headers: batch.iter().map(|one| one.header.clone().into()).collect(),
            }));
            ran.boundary_bytes += frame_bytes(&many);
            let reply = ran.enclave.spend(|| enclave.say(many));
            ran.boundary_bytes += frame_bytes(&reply);
            let Reply::Verdicts(verdicts) = reply else {
                panic!("no verdicts: {reply:?}");
            };
            for (contribution, verdict) in batch.iter().zip(verdicts) {
                let accepted = verdict.of(&contribution.header).expect("it is accepted");
                let stated = accepted.unverified();
                cohort.push((stated.client, stated.contribution));
            }
        }
        ran.clients.spend(|| {
            for contribution in &contributions {
                let masked = unpack(&contribution.body, layout.bits(), elements).expect("a block");
                masked_sum.wrapping_add(&masked).expect("of one layout");
            }
            for n in some {
                let steps = plain_sum.iter_mut().zip(update(*n));
                steps.for_each(|(sum, step)| *sum += step);
            }
        });
    }

    let sum = pack(&masked_sum);
    let mut commitment = CommitmentBuilder::masked_sum();
    commitment.push(&sum);
    let cohort_root = cohort.into_iter().collect::<Cohort>().root();
    let close = Command::Close(Close {
        round_id: parent.round_id(),
        cohort_root,
        sum_root: Some(commitment.root()),
        excluded: Vec::new(),
    });
    let closed = ran.close.spend(|| enclave.say(close));
    assert!(matches!(closed, Reply::Closed(closed) if closed.cohort_size == clients));
    ran.enclave.add(ran.close);

    let release = Command::ReleaseBlock(ReleaseBlock {
        round_id: parent.round_id(),
        index: 0,
        path: commitment.path(0).expect("a block"),
    });
    let (released, block) = ran.enclave.spend(|| enclave.call(release, &sum));
    assert!(matches!(released, Reply::Released(_)), "{released:?}");
    let aggregate = unpack(&block, layout.bits(), elements).expect("a block");
    assert!(aggregate.signed().eq(plain_sum), "the sum is another");

    let finish = Command::Finish(Finish {
        round_id: parent.round_id(),
    });
    let Reply::Receipt(receipt) = ran.enclave.spend(|| enclave.say(finish)) else {
        panic!("no receipt");
    };
    let stated = receipt
        .verify(&parent.binding.receipt_key, &parent.round_id())
        .expect("signed by the round's key");
    assert_eq!(stated.cohort_size, clients);
    assert_eq!(stated.cohort_root, cohort_root);
    assert_eq!(stated.total_weight, u64::from(clients));
    assert_eq!(stated.aggregate, aggregate_root(&[aggregate_leaf(&block)]));
    ran
}

/// Contributions of these clients, made on so many threads.
fn sealed(parent: &ScriptedParent, clients: &[u64], threads: usize) -> Vec<Contribution> {
    let share = clients.len().div_ceil(threads);
    let seal = |share: &[u64]| -> Vec<_> {
        let each = share.iter().map(|n| {
            let values: Vec<_> = update(*n).map(|step| step as f64 / STEPS as f64).collect();
            UncheckedClient::new(*n).contribute(&parent.binding, &values)
        });
        each.collect()
    };
    let seal = &seal;
    thread::scope(|scope| {
        let workers: Vec<_> = clients
            .chunks(share)
            .map(|share| scope.spawn(move || seal(share)))
            .collect();
        let done = workers.into_iter().map(|worker| worker.join());
        done.flat_map(|made| made.expect("it sealed")).collect()
    })
}

/// Client number `n`'s update in steps, each of which is encoded without rounding.
fn update(n: u64) -> impl Iterator<Item = i64> {
    let first = (n * 7_919) as i64;
    (0..DIMENSION as i64).map(move |i| (first + i * 613) % (2 * STEPS + 1) - STEPS)
}

fn frame_bytes(message: &impl Message) -> u64 {
    let frame = message.to_frame(Vec::new()).encode();
    frame.expect("it fits a frame").len() as u64
}

impl Time {
    /// Adds what `work` takes.
    fn spend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (wall, before) = (Instant::now(), cpu());
        let done = work();
        self.add(Self {
            wall: wall.elapsed(),
            cpu: cpu() - before,
        });
        done
    }

    fn add(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

fn cpu() -> Duration {
    let clock = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("the process's CPU clock");
    Duration::from(clock)
}

/// The most memory that this process has had, in bytes, if the system says.
pub(crate) fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// One block, and not a whole one.
pub(crate) const DIMENSION: u64 = 1000;
const STEP_BITS: u8 = 10;
const STEPS: i64 = 1 << STEP_BITS;
/// Contributions that wait at a time: 4 MB of updates.
const GATHERED: usize = 1024;
