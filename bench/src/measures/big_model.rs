//! A model of a hundred million elements through an enclave that is held to 192 MB: `presum`, block by
//! block. The sum is checked at its first, middle and last block, the receipt over all of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sealsum_protocol::commitment::CommitmentBuilder;
use sealsum_protocol::pack::unpack;
use sealsum_protocol::{BlockLayout, Intake, RoundTerms, fixed};
use sealsum_testkit::UncheckedClient;

use super::Measure;
use crate::clock::timed;
use crate::disk::has_room;
use crate::figure::{Figure, Goal, Key};
use crate::rounds::{OpenRound, Servers, Start, runtime, terms};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "big_model_enclave_peak_mb",
            unit: "MB",
            goal: Some(Goal::AtMost(192.0)),
            what: "peak resident memory of the enclave's process, held to 192 MB that it may write to, for 10 clients of d = 1e8 at 32 bits",
        },
        Key {
            name: "big_model_seconds",
            unit: "s",
            goal: None,
            what: "wall time of that round, sealing apart: uploads one after the other, close and release",
        },
    ],
    big: true,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let d = setup.big_dimension;
    // Uploads, the sum, the aggregate, and a group of members' part of a sum.
    let needed = (u64::from(CLIENTS) + 4) * d * 4;
    has_room(&setup.scratch, needed)
        .context("name another folder with --scratch, or a smaller model with --dimension")?;
    let servers = Servers::start_as(
        setup,
        &Start {
            within: &setup.scratch,
            enclave_memory: Some(ENCLAVE_BYTES),
        },
    )?;
    let took = runtime()?.block_on(round(&servers, d))?;
    let peak = |bytes: u64| [bytes as f64 / 1e6];
    let parts = |figure: Figure| {
        figure
            .part("elements", &[d as f64])
            .part("sealing_s", &[took.sealing.as_secs_f64()])
            .part("uploading_s", &[took.uploading.as_secs_f64()])
            .part("closing_s", &[took.closing.as_secs_f64()])
    };
    let seconds = (took.uploading + took.closing).as_secs_f64();
    Ok(vec![
        Figure::of(
            "big_model_enclave_peak_mb",
            &peak(servers.enclave.peak_bytes()?),
        )
        .part("parent_peak_mb", &peak(servers.parent.peak_bytes()?)),
        parts(Figure::of("big_model_seconds", &[seconds])),
    ])
}

#[derive(Default)]
struct Took {
    sealing: Duration,
    uploading: Duration,
    closing: Duration,
}

async fn round(servers: &Servers, dimension: u64) -> Result<Took> {
    let terms = RoundTerms {
        max_cohort: CLIENTS,
        ..terms(Intake::Presum, dimension, 32)
    };
    let values: Vec<f64> = (0..dimension).map(value).collect();
    let round = OpenRound::open(servers.url(), terms).await?;
    let id = round.binding.round_id();
    let mut took = Took::default();
    // One at a time: an update is 400 MB, and again as much while it is encoded.
    for client in 0..u64::from(CLIENTS) {
        let seal = || UncheckedClient::new(client).contribute(&round.binding, &values);
        let (contribution, sealing) = timed(seal);
        took.sealing += sealing;
        let begun = std::time::Instant::now();
        round.send(contribution).await?;
        took.uploading += begun.elapsed();
    }
    drop(values);
    let begun = std::time::Instant::now();
    round.parent.close(&id).await?;
    took.closing = begun.elapsed();
    check(&round).await?;
    Ok(took)
}

async fn check(round: &OpenRound) -> Result<()> {
    let id = round.binding.round_id();
    let params = &round.binding.params.params;
    let (terms, layout) = (params.terms(), params.layout());
    let receipt = round.parent.receipt(&id).await?;
    let receipt = receipt.verify(&round.binding.receipt_key, &id)?;
    ensure!(receipt.cohort_size == CLIENTS, "{receipt:?}");
    let packed = round
        .parent
        .aggregate(&id, layout.total_bytes(), |_, _| {})
        .await?;
    let full = layout.bytes(0).context("a model without blocks")?;
    let mut root = CommitmentBuilder::aggregate();
    packed.chunks(full).for_each(|block| root.push(block));
    ensure!(root.root() == receipt.aggregate, "another aggregate");
    for index in [0, layout.blocks() / 2, layout.blocks() - 1] {
        let block = packed.chunks(full).nth(index as usize);
        let block = block.context("an aggregate that is too short")?;
        check_block(terms, layout, index, block)?;
    }
    Ok(())
}

fn check_block(terms: &RoundTerms, layout: BlockLayout, index: u64, block: &[u8]) -> Result<()> {
    let elements = layout.elements(index).context("no such block")?;
    let block = unpack(block, layout.bits(), elements)?;
    let means = fixed::decode(terms, &[block], CLIENTS, CLIENTS.into());
    let first = index * sealsum_protocol::BLOCK_ELEMENTS;
    for (place, mean) in (first..).zip(means) {
        ensure!(
            (mean - value(place)).abs() < 1e-5,
            "element {place} of the mean is {mean}, not {}",
            value(place)
        );
    }
    Ok(())
}

/// Each element of every client's update, so of the mean too.
fn value(place: u64) -> f64 {
    (place as f64 * 0.618_034).fract() * 1.9 - 0.95
}

const CLIENTS: u32 = 10;
const ENCLAVE_BYTES: u64 = 192_000_000;
