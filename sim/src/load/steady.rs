//! Round after round of small updates for as long as one likes, and what that came to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::large::round1;
use crate::people::{Crowd, Mix, seal};
use crate::round::{OpenRound, Tally, contribute, text};
use crate::servers::{Servers, own_cpu_seconds};
use crate::timeline::{Second, Timeline, percentile};

/// The load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steady {
    pub(crate) for_as_long: Duration,
    pub(crate) at_once: usize,
    pub(crate) per_round: u64,
    pub(crate) dimension: u64,
    pub(crate) mix: Mix,
    pub(crate) latency: Duration,
}

/// Sums over all rounds.
#[derive(Default)]
struct Sums {
    load: Duration,
    parent_cpu: f64,
    enclave_cpu: f64,
    own_cpu: f64,
    seal_each: Duration,
    accepted: u64,
    unserved: u64,
    garbage_refused: u64,
    garbage_taken: u64,
    retries: u64,
    changed: u64,
    lost: u64,
    close: Vec<u32>,
}

/// Measures; gives the report, every second, and how many rounds there were.
pub(crate) async fn measure(
    servers: &Servers,
    steady: &Steady,
) -> Result<(Value, Vec<Second>, u64), String> {
    let timeline = Arc::new(Timeline::begin());
    let is_load = AtomicBool::new(false);
    let over = AtomicBool::new(false);
    let mut sums = Sums::default();
    let mut rounds = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let resident = servers.parent.resident();
                timeline.sampled(resident, is_load.load(Ordering::Relaxed));
                std::thread::sleep(SAMPLE);
            }
        });
        let done = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                while sums.load < steady.for_as_long {
                    rounds += 1;
                    round(servers, steady, rounds, &timeline, &is_load, &mut sums).await?;
                    let rate = sums.accepted as f64 / sums.load.as_secs_f64();
                    eprintln!(
                        "round {rounds}: {} contributions, {rate:.0} a second",
                        sums.accepted
                    );
                }
                Ok::<_, String>(())
            })
        });
        over.store(true, Ordering::Relaxed);
        done
    })?;
    let seconds = timeline.seconds();
    Ok((report(steady, &sums, &seconds, rounds), seconds, rounds))
}

async fn round(
    servers: &Servers,
    steady: &Steady,
    number: u64,
    timeline: &Arc<Timeline>,
    is_load: &AtomicBool,
    sums: &mut Sums,
) -> Result<(), String> {
    let round =
        OpenRound::open(servers.address, number, steady.dimension, steady.per_round).await?;
    let round = Arc::new(round);
    let (binding, first, options) = (round.binding.clone(), number * 1_000_000, *steady);
    let (people, seal_each) = tokio::task::spawn_blocking(move || {
        seal(
            &binding,
            first,
            options.per_round,
            options.mix,
            options.latency,
        )
    })
    .await
    .map_err(text)?;
    let crowd = Crowd::new(people);
    let cpu = || {
        (
            servers.parent.cpu_seconds(),
            servers.enclave.cpu_seconds(),
            own_cpu_seconds(),
        )
    };
    is_load.store(true, Ordering::Relaxed);
    let (begun, before) = (Instant::now(), cpu());
    contribute(&round, &crowd, timeline, steady.at_once).await;
    let after = cpu();
    sums.load += begun.elapsed();
    is_load.store(false, Ordering::Relaxed);
    sums.parent_cpu += after.0 - before.0;
    sums.enclave_cpu += after.1 - before.1;
    sums.own_cpu += after.2 - before.2;
    sums.seal_each = seal_each;
    let closing = Instant::now();
    sums.lost += round.close(&crowd.people).await?;
    sums.close
        .push(u32::try_from(closing.elapsed().as_micros()).unwrap_or(u32::MAX));
    sums.add(&round.tally);
    Ok(())
}

impl Sums {
    fn add(&mut self, tally: &Tally) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.accepted += read(&tally.accepted);
        self.unserved += read(&tally.unserved);
        self.garbage_refused += read(&tally.garbage_refused);
        self.garbage_taken += read(&tally.garbage_taken);
        self.retries += read(&tally.retries);
        self.changed += read(&tally.changed);
    }
}

fn report(steady: &Steady, sums: &Sums, seconds: &[Second], rounds: u64) -> Value {
    let all = |part: fn(&Second) -> &Vec<u32>| -> Vec<u32> {
        seconds
            .iter()
            .flat_map(|second| part(second).clone())
            .collect()
    };
    let (joins, contributions) = (all(|s| &s.joins), all(|s| &s.contributions));
    let load = sums.load.as_secs_f64();
    let each = |cpu: f64| {
        let millis = cpu * 1000.0 / sums.accepted.max(1) as f64;
        (millis * 1000.0).round() / 1000.0
    };
    let resident: Vec<f64> = seconds
        .iter()
        .filter(|second| second.resident > 0)
        .map(|second| second.resident as f64 / (1 << 20) as f64)
        .collect();
    let third = resident.len() / 3;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    json!({
        "seconds": round1(load),
        "elapsed_seconds": seconds.len(),
        "clients_at_once": steady.at_once,
        "dimension": steady.dimension,
        "rounds": rounds,
        "contributions": sums.accepted,
        "joins_per_second": round1(joins.len() as f64 / load),
        "contributions_per_second": round1(sums.accepted as f64 / load),
        "join_ms": {"p50": percentile(joins.clone(), 50), "p99": percentile(joins, 99)},
        "contribution_ms": {
            "p50": percentile(contributions.clone(), 50),
            "p99": percentile(contributions, 99),
        },
        "close_ms_p50": percentile(sums.close.clone(), 50),
        "cpu_ms_per_contribution": {
            "parent": each(sums.parent_cpu),
            "enclave": each(sums.enclave_cpu),
            "clients": each(sums.own_cpu),
        },
        "seal_ms_each_beforehand": sums.seal_each.as_micros() as f64 / 1000.0,
        "retries": sums.retries,
        "honest_lost": sums.lost + sums.unserved,
        "changed_acceptances": sums.changed,
        "garbage_refused": sums.garbage_refused,
        "garbage_taken": sums.garbage_taken,
        "parent_mib": {
            "first_third": round1(mean(&resident[..third])),
            "last_third": round1(mean(&resident[resident.len() - third..])),
            "most": round1(resident.iter().copied().fold(0.0, f64::max)),
        },
    })
}

const SAMPLE: Duration = Duration::from_millis(250);
