//! Where clients are killed: servers, sites, and rounds from their opening to the verdict.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::site::Site;
use super::uploads::double_seals;
use super::wire::Wire;
use crate::demo::OPEN_WITHOUT_NOISE;
use crate::demo::npy;
use crate::demo::programs::{Arguments, Programs, in_parallel};
use crate::demo::servers::Servers;

/// Everything that outlives a round.
pub(crate) struct Stage<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) servers: Servers,
    pub(crate) sites: Vec<Site>,
    folder: PathBuf,
    operator: PathBuf,
}

/// A round, and its twin: another key of the enclave, the same number and base model.
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) id: String,
    pub(crate) twin: String,
    pub(crate) base_model: PathBuf,
}

/// What a round came to.
pub(crate) struct Ended {
    pub(crate) double_seals: usize,
    pub(crate) lost: usize,
}

impl<'a> Stage<'a> {
    /// Starts mock enclave and parent, and makes operator and sites.
    pub(crate) fn found(programs: &'a Programs, folder: &Path) -> Result<Self> {
        let servers = Servers::start(programs, folder)?;
        let operator = folder.join("operator.key");
        let made = programs.done(&Arguments::new("operator new").file(&operator))?;
        let key = text(&made, "operator_key")?;
        let mut sites = Vec::new();
        for number in 0..SITES {
            let site = Site {
                number,
                folder: folder.join(format!("site-{number}")),
                wire: Wire::start(servers.parent)?,
            };
            fs::create_dir_all(&site.folder)?;
            programs.done(&Arguments::new("identity new").file(&site.identity()))?;
            programs.done(&policy(&site.policy(), &servers.appraisal_policy, &key))?;
            let update = |place: usize| (place % 7) as f64 / 8.0 + number as f64 / 64.0;
            npy::write(
                &site.update(),
                &(0..DIMENSION).map(update).collect::<Vec<_>>(),
            )?;
            sites.push(site);
        }
        Ok(Self {
            programs,
            servers,
            sites,
            folder: folder.to_owned(),
            operator,
        })
    }

    /// Opens a round on a fresh base model. The twin is older, so that the task's newest round is
    /// the one that closes.
    pub(crate) fn open(&self, number: u64) -> Result<Round> {
        let base_model = self.folder.join("base.npy");
        npy::write(&base_model, &vec![number as f64; DIMENSION])?;
        let twin = self.open_one(number, &base_model)?;
        let id = self.open_one(number, &base_model)?;
        Ok(Round {
            number,
            id,
            twin,
            base_model,
        })
    }

    fn open_one(&self, number: u64, base_model: &Path) -> Result<String> {
        let even = number.is_multiple_of(2);
        let opened = self.programs.done(
            &Arguments::new("round open")
                .option("--parent", self.servers.url())
                .path("--operator", &self.operator)
                .option("--task", TASK)
                .option("--round-number", number)
                .path("--base-model", base_model)
                .option("--clip", 1)
                .option("--fractional-bits", 16)
                .option("--min-cohort", FLOOR)
                .option("--max-cohort", SITES)
                .option("--rule", "mean")
                .option("--intake", if even { "presum" } else { "stream" })
                .option("--kem", if number % 4 < 2 { "x-wing" } else { "x25519" }),
        )?;
        text(&opened, "round_id")
    }

    /// Closes the round, has every site look for itself in the receipt, and judges what the wires
    /// saw. `arrived` says for each site whether its contribution was accepted.
    pub(crate) fn end(&self, round: &Round, arrived: &[bool]) -> Result<Ended> {
        let say = |words: &str, id: &str| {
            let parent = self.servers.url();
            self.programs
                .done(&Arguments::new(words).option("--parent", parent).word(id))
        };
        let accepted = arrived.iter().filter(|arrived| **arrived).count();
        say("round abort", &round.twin)?;
        let kept = if accepted >= FLOOR {
            say("round close", &round.id)?;
            in_parallel(&self.sites, |site| self.is_kept(site, round))?
        } else {
            // No round of such a size is released; what got stuck is lost all the same.
            say("round abort", &round.id)?;
            arrived.to_vec()
        };
        let mut uploads = Vec::new();
        for site in &self.sites {
            uploads.extend(site.wire.take());
        }
        Ok(Ended {
            double_seals: double_seals(&uploads),
            lost: kept.iter().filter(|kept| !**kept).count(),
        })
    }

    /// Whether the site's contribution is in the sum, by the receipt.
    fn is_kept(&self, site: &Site, round: &Round) -> Result<bool> {
        let collected = site.collect(self, &round.id)?;
        if collected.code == 0 && collected.json["own_contribution"] == "in" {
            return Ok(true);
        }
        let state = site.state(self.programs, &round.id)?;
        eprintln!(
            "client {} says {state:?} of round {}, and the receipt: {}",
            site.number, round.number, collected.json
        );
        // What was never spent is not lost, but this test sees to it that everybody spends.
        ensure!(state.is_some(), "client {} never spent", site.number);
        Ok(false)
    }
}

fn policy(file: &Path, appraisal: &Path, operator_key: &str) -> Arguments {
    Arguments::new("policy new")
        .file(file)
        .path("--appraisal-policy", appraisal)
        .option("--operator-key", operator_key)
        .option("--task", TASK)
        .option("--min-cohort", FLOOR)
        .option("--admission", "open")
        .option("--noise-floor", "none")
        .option("--kem", "x-wing")
        .option("--kem", "x25519")
        .option("--intake", "stream")
        .option("--intake", "presum")
        .option("--rule", "mean")
        .option("--budget", BUDGET)
        .option("--consent", OPEN_WITHOUT_NOISE)
        .word("--mock")
}

fn text(json: &Value, field: &str) -> Result<String> {
    let value = json[field].as_str();
    Ok(value
        .with_context(|| format!("no {field} in {json}"))?
        .to_owned())
}

/// The task of every round.
pub(crate) const TASK: &str = "kills";
/// Clients of a round.
const SITES: usize = 5;
/// The floor of every enclave image.
const FLOOR: usize = 3;
/// About 700 KB packed: more than the sockets between take, so that uploads are cut in the middle.
const DIMENSION: usize = 300_000;
const BUDGET: usize = 100_000;
