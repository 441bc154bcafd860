//! A whole round against plain FedAvg, over loopback, files on the same disk.
//!
//! Ours is everything that is shipped: mock enclave and parent as processes, sites by the client's
//! library with ledger, policy and evidence; the base model's digest too. The plain side is
//! [`crate::plain`]. Sites of both live over the rounds, and the first round does not count. Both read updates of 32-bit floats from files; both end when one site has the
//! result. A third leg leaves out what only a data holder needs: it seals and sends.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sealsum_client::{BaseModel, Parent, Selection};
use sealsum_protocol::{Intake, RoundId, RoundTerms};
use sealsum_testkit::{UncheckedClient, sign};

use super::Measure;
use crate::figure::{Figure, Goal, Key, Spread};
use crate::plain;
use crate::process::Process;
use crate::rounds::{
    AT_ONCE, Cost, Meter, OpenRound, Servers, Site, Took, each, npy, runtime, terms,
};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "round_vs_plain",
            unit: "ratio",
            goal: Some(Goal::AtMost(1.5)),
            what: "wall time of a round (open, n = 100 shipped clients that live over the rounds, with ledger, policy and evidence, close, collect; presum, d = 1e6, X25519) / wall time of plain FedAvg with the same HTTP stack, updates synced to the same disk on both sides",
        },
        Key {
            name: "round_vs_plain_cpu",
            unit: "ratio",
            goal: Some(Goal::AtMost(1.5)),
            what: "the same in CPU time of all processes",
        },
        Key {
            name: "round_vs_plain_sealing_only",
            unit: "ratio",
            goal: None,
            what: "the same in wall time with clients that only seal and send: no ledger, policy or evidence",
        },
    ],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let stage = Stage::set(setup)?;
    let runtime = runtime()?;
    let (mut ours, mut sealing, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    // The first turn warms up: connections, page cache, ledgers.
    for turn in 0..=setup.pick(5, 1, 0) {
        let number = turn * 2 + 1;
        let (a, mean) = runtime.block_on(stage.ours(number))?;
        let (b, sum) = runtime.block_on(stage.plain())?;
        let c = runtime.block_on(stage.sealing_only(number + 1))?;
        stage.compare(&mean, &sum)?;
        if turn > 0 || setup.pick(false, false, true) {
            ours.push(a);
            plain.push(b);
            sealing.push(c);
        }
    }
    let ratios = |of: &[Cost], time: fn(&Cost) -> Duration| -> Vec<f64> {
        let ratio = |(a, b): (&Cost, &Cost)| time(a).as_secs_f64() / time(b).as_secs_f64();
        of.iter().zip(&plain).map(ratio).collect()
    };
    let with = |figure: Figure, prefix: &str, legs: &[Cost]| {
        let names = legs.first().into_iter().flat_map(|leg| &leg.parts);
        names.fold(figure, |figure, (name, _)| {
            let of = |leg: &Cost| {
                leg.parts
                    .iter()
                    .find(|(other, _)| other == name)
                    .map(|p| p.1)
            };
            let values: Vec<_> = legs.iter().filter_map(of).collect();
            figure.part(&format!("{prefix}_{name}"), &values)
        })
    };
    let figure = Figure::of("round_vs_plain", &ratios(&ours, |leg| leg.wall));
    let figure = with(with(figure, "ours", &ours), "plain", &plain);
    let alone = runtime.block_on(stage.alone(LAST_NUMBER))?;
    let figure = alone.iter().fold(figure, |figure, (name, ms)| {
        figure.part(&format!("alone_{name}"), &[*ms])
    });
    Ok(vec![
        figure.note(&format!(
            "{} sites at work at a time; per-site parts are means",
            AT_ONCE
        )),
        Figure::of("round_vs_plain_cpu", &ratios(&ours, |leg| leg.cpu)),
        with(
            Figure::of(
                "round_vs_plain_sealing_only",
                &ratios(&sealing, |leg| leg.wall),
            ),
            "ours",
            &sealing,
        ),
    ])
}

struct Stage {
    servers: Servers,
    plain: Process,
    sites: Vec<Site>,
    plain_sites: Vec<plain::Site>,
    updates: Vec<PathBuf>,
    dimension: u64,
}

impl Stage {
    fn set(setup: &Setup) -> Result<Self> {
        let servers = Servers::start(setup)?;
        let dimension = setup.pick(1_000_000, 100_000, 5000);
        let mut plain = Command::new(setup.programs.join("sealsum-bench"));
        plain
            .args(["plain-server", "--dimension", &dimension.to_string()])
            .arg("--data")
            .arg(servers.path("plain"));
        let plain = Process::start(plain, &servers.path("plain.log"))?;
        let sites = (0..setup.pick(100, 30, 4))
            .map(|n| Site::new(&servers, n))
            .collect::<Result<Vec<_>>>()?;
        let plain_sites = sites.iter().map(|_| plain::Site::new(plain.listening()));
        let plain_sites = plain_sites.collect::<Result<_>>()?;
        let updates: Vec<_> = (0..UPDATES)
            .map(|n| servers.path(&format!("update-{n}.npy")))
            .collect();
        for (n, path) in updates.iter().enumerate() {
            npy::write(path, values(n as f32 + 1.0, dimension))?;
        }
        Ok(Self {
            servers,
            plain,
            sites,
            plain_sites,
            updates,
            dimension,
        })
    }

    fn site_count(&self) -> u64 {
        self.sites.len() as u64
    }

    fn update(&self, site: u64) -> PathBuf {
        self.updates[site as usize % UPDATES].clone()
    }

    /// A round of the next number, after a base model that no site has seen.
    fn terms(&self, number: u64, base_model: &BaseModel) -> RoundTerms {
        RoundTerms {
            round_number: number,
            base_model: base_model.digest(),
            schema: base_model.schema().digest(),
            max_cohort: 100,
            // What the planner picks for 100 values of at most 1 in steps of 2^-16.
            ..terms(Intake::Presum, self.dimension, 24)
        }
    }

    fn base_model(&self, number: u64) -> Result<(PathBuf, BaseModel)> {
        let path = self.servers.path("base.npy");
        npy::write(&path, values(number as f32 * 0.77, self.dimension))?;
        let base_model = BaseModel::read(&path, &Selection::all())?;
        Ok((path, base_model))
    }

    fn meter(&self) -> Result<Meter<'_>> {
        Meter::start([
            ("parent_cpu_s", &self.servers.parent),
            ("enclave_cpu_s", &self.servers.enclave),
        ])
    }

    async fn ours(&self, number: u64) -> Result<(Cost, Vec<f64>)> {
        let (base_path, base_model) = self.base_model(number)?;
        let mut meter = self.meter()?;
        let parent = Parent::new(self.servers.url())?;
        let summary = parent
            .open_round(&sign(self.terms(number, &base_model)))
            .await?;
        let id: RoundId = summary.round_id.parse()?;
        meter.lap("opening_s");
        let took = each(self.site_count(), |n| {
            let (site, base, update) = (
                self.sites[n as usize].clone(),
                base_path.clone(),
                self.update(n),
            );
            async move { site.take_part(id, &base, &update).await }
        })
        .await?;
        meter.lap("contributing_s");
        parent.close(&id).await?;
        meter.lap("closing_s");
        let aggregate = self.sites[0].collect(&id).await?;
        meter.lap("collecting_s");
        let mut cost = meter.stop()?;
        cost.parts.extend(means(&took));
        Ok((cost, aggregate.values))
    }

    /// Some sites with nobody beside them, ours and plain ones by turns: where a site's time goes.
    async fn alone(&self, number: u64) -> Result<Vec<(&'static str, f64)>> {
        let (base_path, base_model) = self.base_model(number)?;
        let parent = Parent::new(self.servers.url())?;
        let terms = self.terms(number, &base_model);
        let id: RoundId = parent.open_round(&sign(terms)).await?.round_id.parse()?;
        let (mut took, mut plain) = (Vec::new(), Vec::new());
        for (n, site) in (0..).zip(self.sites.iter().take(ALONE)) {
            let update = self.update(n);
            took.push(site.take_part(id, &base_path, &update).await?);
            let begun = Instant::now();
            self.plain_sites[n as usize].send(n, &update).await?;
            plain.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        parent.abort(&id).await?;
        let mut parts = means(&took);
        parts.push(("plain_site_ms", Spread::of(&plain).median));
        Ok(parts)
    }

    async fn plain(&self) -> Result<(Cost, Vec<f32>)> {
        let mut meter = Meter::start([("server_cpu_s", &self.plain)])?;
        each(self.site_count(), |site| {
            let (plain, update) = (self.plain_sites[site as usize].clone(), self.update(site));
            async move { plain.send(site, &update).await }
        })
        .await?;
        meter.lap("contributing_s");
        self.plain_sites[0].close().await?;
        meter.lap("closing_s");
        let sum = self.plain_sites[0].aggregate().await?;
        meter.lap("collecting_s");
        Ok((meter.stop()?, sum))
    }

    async fn sealing_only(&self, number: u64) -> Result<Cost> {
        let (_, base_model) = self.base_model(number)?;
        let mut meter = self.meter()?;
        let terms = self.terms(number, &base_model);
        let round = Arc::new(OpenRound::open(self.servers.url(), terms).await?);
        meter.lap("opening_s");
        each(self.site_count(), |n| {
            let (round, update) = (Arc::clone(&round), self.update(n));
            async move {
                let numbers = npy::numbers(std::fs::read(update)?)?;
                let (words, _) = numbers.as_chunks();
                let values: Vec<_> = words
                    .iter()
                    .map(|word| f64::from(f32::from_le_bytes(*word)))
                    .collect();
                let contribution = UncheckedClient::new(n).contribute(&round.binding, &values);
                round.send(contribution).await
            }
        })
        .await?;
        meter.lap("contributing_s");
        let id = round.binding.round_id();
        round.parent.close(&id).await?;
        meter.lap("closing_s");
        let bytes = round.binding.params.params.layout().total_bytes();
        round.parent.aggregate(&id, bytes, |_, _| {}).await?;
        meter.lap("collecting_s");
        meter.stop()
    }

    /// Both sides had the same updates, so they have the same mean.
    fn compare(&self, mean: &[f64], sum: &[f32]) -> Result<()> {
        ensure!(mean.len() == sum.len(), "{} and {}", mean.len(), sum.len());
        let sites = self.site_count() as f64;
        for (place, (mean, sum)) in mean.iter().zip(sum).enumerate() {
            let plain = f64::from(*sum) / sites;
            // Half a step of 2^-16, and what a sum of 100 32-bit floats loses.
            ensure!(
                (mean - plain).abs() < 2e-5,
                "element {place}: the mean is {mean}, the plain one {plain}"
            );
        }
        Ok(())
    }
}

/// What a site's steps took on average, in ms.
fn means(took: &[Took]) -> Vec<(&'static str, f64)> {
    let mean = |of: fn(&Took) -> Duration| {
        took.iter().map(of).sum::<Duration>().as_secs_f64() * 1e3 / took.len() as f64
    };
    vec![
        ("site_reading_ms", mean(|took| took.reading)),
        ("site_joining_ms", mean(|took| took.joining)),
        ("site_sealing_ms", mean(|took| took.sealing)),
        ("site_uploading_ms", mean(|took| took.uploading)),
    ]
}

/// Numbers within a clip of 1, different for each `seed`.
fn values(seed: f32, dimension: u64) -> impl Iterator<Item = f32> {
    (0..dimension).map(move |i| (i as f32 * 0.618_034 * seed + seed).fract() * 1.9 - 0.95)
}

/// Sites that work alone.
const ALONE: usize = 20;
/// A round's number that no turn has.
const LAST_NUMBER: u64 = 1_000;
/// Different updates; sites share them.
const UPDATES: usize = 8;
