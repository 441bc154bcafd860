//! Who takes part: an operator and its hospitals, each with a folder and nothing shared.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Options;
use super::data::{Example, split};
use super::programs::{Answer, Arguments, Programs, in_parallel};
use super::registry::Registry;
use super::servers::Servers;

/// One data holder.
pub(super) struct Hospital {
    /// From 0.
    pub(super) number: usize,
    pub(super) folder: PathBuf,
    pub(super) examples: Vec<Example>,
    /// The registry that it shows its place in.
    pub(super) registry: Option<PathBuf>,
}

impl Hospital {
    /// The weight of its updates: its number of images.
    pub(super) fn weight(&self) -> u32 {
        u32::try_from(self.examples.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn identity(&self) -> PathBuf {
        self.folder.join("identity")
    }

    pub(super) fn policy(&self) -> PathBuf {
        self.folder.join("policy.toml")
    }

    /// `sealsum contribute` through the parent at `url`.
    pub(super) fn contribute(
        &self,
        programs: &Programs,
        url: &str,
        target: (&str, &str),
        base_model: &Path,
        update: &Path,
    ) -> Result<Answer> {
        programs.sealsum(&self.contribution(url, target, base_model, update))
    }

    /// The command line of `sealsum contribute`.
    pub(super) fn contribution(
        &self,
        url: &str,
        target: (&str, &str),
        base_model: &Path,
        update: &Path,
    ) -> Arguments {
        let arguments = Arguments::new("contribute")
            .option("--parent", url)
            .path("--identity", &self.identity())
            .path("--policy", &self.policy())
            .option(target.0, target.1)
            .path("--base-model", base_model)
            .path("--update", update)
            .option("--weight", self.weight())
            .word("--mock");
        match &self.registry {
            Some(registry) => arguments.path("--registry", registry),
            None => arguments,
        }
    }

    /// `sealsum collect`: the aggregate, receipt and evidence into this hospital's folder.
    pub(super) fn collect(&self, programs: &Programs, url: &str, round_id: &str) -> Result<Value> {
        programs.done(
            &Arguments::new("collect")
                .option("--parent", url)
                .path("--identity", &self.identity())
                .path("--policy", &self.policy())
                .word(round_id)
                .path("--out", &self.aggregate())
                .path("--receipt", &self.folder.join("receipt.cbor"))
                .path("--evidence", &self.folder.join("evidence.cbor"))
                .word("--mock"),
        )
    }

    /// Where `collect` puts the aggregate.
    pub(super) fn aggregate(&self) -> PathBuf {
        self.folder.join("aggregate.npy")
    }

    /// `sealsum ledger refund`.
    pub(super) fn refund(&self, programs: &Programs, url: &str, round_id: &str) -> Result<Answer> {
        programs.sealsum(
            &Arguments::new("ledger refund")
                .file(&self.identity())
                .option("--parent", url)
                .path("--policy", &self.policy())
                .word(round_id)
                .word("--mock"),
        )
    }

    /// `sealsum verify-receipt`, with the files of a released round.
    pub(super) fn verify_receipt(
        &self,
        programs: &Programs,
        receipt: &Path,
        evidence: &Path,
        aggregate: &Path,
    ) -> Result<Answer> {
        programs.sealsum(
            &Arguments::new("verify-receipt")
                .path("--receipt", receipt)
                .path("--evidence", evidence)
                .path("--policy", &self.policy())
                .path("--aggregate", aggregate)
                .word("--mock"),
        )
    }
}

/// Everybody.
pub(super) struct Consortium {
    pub(super) hospitals: Vec<Hospital>,
    pub(super) held_out: Vec<Example>,
    operator: PathBuf,
    registry: Option<Registry>,
}

impl Consortium {
    /// Makes identities, the operator's key and each hospital's policy.
    pub(super) fn found(
        programs: &Programs,
        servers: &Servers,
        folder: &Path,
        options: &Options,
    ) -> Result<Self> {
        let split = split(options.clients)?;
        let operator = folder.join("operator.key");
        let made = programs.done(&Arguments::new("operator new").file(&operator))?;
        let operator_key = made["operator_key"]
            .as_str()
            .context("operator new named no operator_key")?;
        let mut hospitals: Vec<_> = (0..)
            .zip(split.hospitals)
            .map(|(number, examples)| Hospital {
                number,
                folder: folder.join(format!("hospital-{number}")),
                examples,
                registry: None,
            })
            .collect();
        in_parallel(&hospitals, |hospital| {
            fs::create_dir_all(&hospital.folder)?;
            programs.done(&Arguments::new("identity new").file(&hospital.identity()))
        })?;
        let registry = if options.registry {
            Some(Registry::found(programs, folder, &hospitals)?)
        } else {
            None
        };
        for hospital in &mut hospitals {
            hospital.registry = registry.as_ref().map(|registry| registry.file.clone());
        }
        let admission = registry
            .as_ref()
            .map_or("open", |registry| &registry.admission);
        in_parallel(&hospitals, |hospital| {
            let appraisal = &servers.appraisal_policy;
            programs.done(&policy(
                &hospital.policy(),
                appraisal,
                operator_key,
                admission,
                options,
            ))
        })?;
        Ok(Self {
            hospitals,
            held_out: split.held_out,
            operator,
            registry,
        })
    }

    /// `sealsum round open`; gives the RoundId.
    pub(super) fn open_round(
        &self,
        programs: &Programs,
        url: &str,
        options: &Options,
        number: usize,
        base_model: &Path,
        previous_receipt: Option<&Path>,
    ) -> Result<Value> {
        let heaviest = self.hospitals.iter().map(Hospital::weight).max();
        let mut arguments = Arguments::new("round open")
            .option("--parent", url)
            .path("--operator", &self.operator)
            .option("--task", TASK)
            .option("--round-number", number)
            .path("--base-model", base_model)
            .option("--clip", CLIP)
            .option("--fractional-bits", FRACTIONAL_BITS)
            .option("--ring-bits", "auto")
            .option("--min-cohort", FLOOR)
            .option("--max-cohort", options.clients)
            .option("--rule", "weighted-mean")
            .option("--max-weight", heaviest.unwrap_or(1))
            .option("--rounding", "stochastic")
            .option("--intake", options.intake.as_str())
            .option("--kem", options.kem.as_str());
        if let Some(registry) = &self.registry {
            arguments = arguments
                .path("--admission", &registry.file)
                .path("--grant", &registry.grant);
        }
        if let Some(receipt) = previous_receipt {
            arguments = arguments.path("--previous-receipt", receipt);
        }
        programs.done(&arguments)
    }
}

fn policy(
    file: &Path,
    appraisal: &Path,
    operator_key: &str,
    admission: &str,
    options: &Options,
) -> Arguments {
    let budget = options.rounds + ATTACK_ROUNDS;
    let policy = Arguments::new("policy new")
        .file(file)
        .path("--appraisal-policy", appraisal)
        .option("--operator-key", operator_key)
        .option("--task", TASK)
        .option("--min-cohort", FLOOR)
        .option("--admission", admission)
        .option("--noise-floor", "none")
        .option("--kem", options.kem.as_str())
        .option("--intake", options.intake.as_str())
        .option("--rule", "weighted-mean")
        .word("--release-weights")
        .option("--budget", budget)
        .option("--unproven-retries", 0)
        .word("--mock");
    let open = (admission == "open").then_some(OPEN_WITHOUT_NOISE);
    let consents = open.into_iter().chain([WEIGHTS_RELEASED]);
    consents.fold(policy, |policy, consent| {
        policy.option("--consent", consent)
    })
}

/// The demo's task.
pub(super) const TASK: &str = "digits";
/// In the updates' own units; no training step of the demo reaches it.
pub(super) const CLIP: f64 = 2.0;
/// A step is 2^-16.
pub(super) const FRACTIONAL_BITS: u8 = 16;
/// The floor of every enclave image.
pub(super) const FLOOR: usize = 3;
/// Contributions that the attacks of the last act provoke.
const ATTACK_ROUNDS: usize = 4;
/// What these hospitals accept, in so many words: without a registry, open admission.
pub(crate) const OPEN_WITHOUT_NOISE: &str = "I accept open admission without noise: whoever controls all other clients of a round can compute my update from the sum.";
/// The demo's rule is the weighted mean.
const WEIGHTS_RELEASED: &str = "I accept that the sum of the weights is released: whoever knows the other weights of a round can compute mine.";
