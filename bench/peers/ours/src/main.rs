//! One of our rounds on the work that the peers are given: `--clients` updates of `--dimension`
//! elements: evidence verified, update encoded, masked and sealed by each client, checked and added by the parent, opened
//! and unmasked by the enclave's core, checked and decoded by a client.
//!
//! Prints one JSON object of CPU times. Not in them: the ledger's disk, HTTP, vsock,
//! the parent's files, and the security module's signature, one for as many clients as wait. The parent's two passes are made of what its own
//! code is made of: it hashes every body as it arrives, and again as it adds it.

mod evidence;
mod parent;
mod work;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use nix::time::{ClockId, clock_gettime};
use sealsum_protocol::fixed::decode;
use sealsum_protocol::messages::{Contribute, Finish, ReleaseBlock};
use sealsum_protocol::pack::unpack;
use sealsum_protocol::{Command, CommitmentBuilder, KemSuite, Reply, upload};
use sealsum_testkit::{Link as _, LocalEnclave, ScriptedParent, UncheckedClient};

use crate::evidence::Evidence;
use crate::parent::Parent;
use crate::work::{terms, update_of};

/// One presum round, in this process.
///
/// Example: sealsum-peers-ours --clients 10 --dimension 10000 --value-bits 12
#[derive(Parser)]
struct Options {
    /// Clients, 3 or more.
    #[arg(long, default_value_t = 100)]
    clients: u32,
    /// Elements of an update.
    #[arg(long, default_value_t = 1_000_000)]
    dimension: u64,
    /// Bits of an encoded value, its sign included; the planner finds the ring for the sum.
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(u8).range(2..=32))]
    value_bits: u8,
    /// X25519 alone, instead of X-Wing.
    #[arg(long)]
    x25519: bool,
    /// Rounds; each figure is the median over them.
    #[arg(long, default_value_t = 3)]
    turns: usize,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.turns > 0, "--turns is 1 or more");
    let mut rounds = (0..options.turns)
        .map(|turn| round(&options, turn))
        .collect::<Result<Vec<_>>>()?;
    let n = f64::from(options.clients);
    let mut median = |part: &dyn Fn(&Round) -> f64| {
        rounds.sort_by(|a, b| part(a).total_cmp(&part(b)));
        rounds.get(options.turns / 2).map_or(f64::NAN, part)
    };
    let figures = serde_json::json!({
        "clients": options.clients,
        "dimension": options.dimension,
        "client_ms": median(&Round::client),
        "client_after_ms": median(&|round| round.client_after),
        "server_ms_per_client": median(&|round| round.parent() + round.enclave()) / n,
        "parent_ms_per_client": median(&Round::parent) / n,
        "enclave_ms_per_client": median(&Round::enclave) / n,
        "parts_ms_per_client": {
            "client_evidence": median(&|round| round.evidence),
            "client_seal": median(&|round| round.seal),
            "parent_check": median(&|round| round.check) / n,
            "parent_add": median(&|round| round.add) / n,
            "enclave_open": median(&|round| round.open) / n,
            "enclave_unmask": median(&|round| round.release) / n,
        },
        "bytes_per_client": rounds.first().map(|round| round.bytes),
        "ring_bits": rounds.first().map(|round| round.ring_bits),
        "sum_is_right": true,
    });
    println!("{figures}");
    Ok(())
}

/// What one round took, in ms of CPU time. A client's are medians over clients, the rest is for the whole cohort.
#[derive(Default)]
struct Round {
    evidence: f64,
    seal: f64,
    client_after: f64,
    check: f64,
    add: f64,
    open: f64,
    release: f64,
    bytes: usize,
    ring_bits: u32,
}

impl Round {
    fn client(&self) -> f64 {
        self.evidence + self.seal
    }

    fn parent(&self) -> f64 {
        self.check + self.add
    }

    fn enclave(&self) -> f64 {
        self.open + self.release
    }
}

fn round(options: &Options, turn: usize) -> Result<Round> {
    let suite = if options.x25519 {
        KemSuite::X25519
    } else {
        KemSuite::XWing
    };
    let terms = terms(
        options.clients,
        options.dimension,
        options.value_bits,
        suite,
    )?;
    let mut enclave = LocalEnclave::new(turn as u64);
    let binding = ScriptedParent::open(&mut enclave, terms.clone()).binding;
    let (round_id, layout) = (binding.round_id(), binding.params.params.layout());
    let mut parent = Parent::new(layout);
    let mut taken = Round {
        ring_bits: terms.ring_bits.get(),
        ..Round::default()
    };
    let mut expected = vec![0.0; usize::try_from(options.dimension)?];
    let evidence = Evidence::sound()?;
    let (mut evidence_times, mut seal_times) = (Vec::new(), Vec::new());

    for n in 0..options.clients {
        let update = update_of(n, options.dimension);
        expected
            .iter_mut()
            .zip(&update)
            .for_each(|(sum, value)| *sum += value);
        let mut client = UncheckedClient::new(n.into());

        let (verified, ms) = timed(|| evidence.verify())?;
        verified?;
        evidence_times.push(ms);
        let (sealed, ms) = timed(|| client.contribute(&binding, &update))?;
        seal_times.push(ms);
        taken.bytes = upload::prefix(&sealed.header).len() + sealed.body.len();

        let (checked, ms) = timed(|| parent.check(&sealed.header, &sealed.body))?;
        checked?;
        taken.check += ms;
        let contribute = Command::Contribute(Box::new(Contribute {
            header: sealed.header.clone(),
        }));
        let (reply, ms) = timed(|| enclave.say(contribute))?;
        ensure!(
            matches!(reply, Reply::Accepted(_)),
            "not accepted: {reply:?}"
        );
        taken.open += ms;
        let (added, ms) = timed(|| parent.add(&sealed.header, &sealed.body))?;
        added?;
        taken.add += ms;
    }
    taken.evidence = middle(evidence_times);
    taken.seal = middle(seal_times);

    let (close, ms) = timed(|| parent.close(round_id))?;
    taken.add += ms;
    let (reply, ms) = timed(|| enclave.say(Command::Close(close)))?;
    ensure!(matches!(reply, Reply::Closed(_)), "not closed: {reply:?}");
    taken.release += ms;
    let mut aggregate = Vec::new();
    for index in layout.indices() {
        let (block, ms) = timed(|| parent.block(index))?;
        taken.add += ms;
        let (path, body) = block?;
        let release = Command::ReleaseBlock(ReleaseBlock {
            round_id,
            index,
            path,
        });
        let ((reply, block), ms) = timed(|| enclave.call(release, &body))?;
        ensure!(
            matches!(reply, Reply::Released(_)),
            "not released: {reply:?}"
        );
        taken.release += ms;
        aggregate.push(block);
    }
    let (reply, ms) = timed(|| enclave.say(Command::Finish(Finish { round_id })))?;
    taken.release += ms;
    let Reply::Receipt(receipt) = reply else {
        anyhow::bail!("no receipt: {reply:?}");
    };

    let (mean, ms) = timed(|| {
        let receipt = receipt.verify(&binding.receipt_key, &round_id)?;
        let mut commitment = CommitmentBuilder::aggregate();
        let mut blocks = Vec::new();
        for (index, block) in layout.indices().zip(&aggregate) {
            commitment.push(block);
            blocks.push(unpack(
                block,
                layout.bits(),
                layout.elements(index).unwrap_or(0),
            )?);
        }
        ensure!(
            commitment.root() == receipt.aggregate,
            "another aggregate than the receipt's"
        );
        Ok(decode(
            &terms,
            &blocks,
            receipt.cohort_size,
            receipt.total_weight,
        ))
    })?;
    taken.client_after = ms;
    let step = 2_f64.powi(-i32::from(terms.fractional_bits));
    for (place, (found, sum)) in mean?.iter().zip(&expected).enumerate() {
        let exact = sum / f64::from(options.clients);
        ensure!(
            (found - exact).abs() <= step,
            "element {place} is {found}, not {exact}"
        );
    }
    Ok(taken)
}

/// What `work` gives, and the ms of CPU time that all threads of this process took meanwhile.
fn timed<T>(work: impl FnOnce() -> T) -> Result<(T, f64)> {
    let started = now()?;
    let done = work();
    Ok((done, (now()? - started).as_secs_f64() * 1e3))
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn now() -> Result<Duration> {
    let clock = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).context("the CPU clock")?;
    Ok(Duration::from(clock))
}
