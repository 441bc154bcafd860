//! `sealsum round open`: parameters from an operator's words, planned, signed, and opened.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use sealsum_client::policy::{IntakeTerm, KemTerm, RuleTerm};
use sealsum_client::{BaseModel, Parent, RoundFilter, RoundSummary, operator};
use sealsum_protocol::messages::Phase;
use sealsum_protocol::plan::{PlanError, largest_sum, smallest_ring};
use sealsum_protocol::receipt::receipt_digest;
use sealsum_protocol::{
    Noise, OperatorKey, Receipt, RingBits, RoundParams, RoundTerms, Rounding, Signed, TaskName,
    VERSION,
};

use super::super::file;
use super::super::parent::ParentAddress;
use super::super::selecting::{Selecting, left_out_line};
use super::schedule::Timing;
use super::{admission, schedule, summary};
use crate::failure::Failure;
use crate::output::Report;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    parent: ParentAddress,
    /// The operator's key file
    #[arg(long, value_name = "FILE")]
    operator: PathBuf,
    /// The task
    #[arg(long, value_name = "NAME")]
    task: TaskName,
    /// The round's number in the task
    #[arg(long, value_name = "N")]
    round_number: u64,
    /// The model that updates are relative to, .npy, .npz or .safetensors
    #[arg(long, value_name = "FILE")]
    base_model: PathBuf,
    /// A file laid out as the updates will be; the base model if it is not given
    #[arg(long, value_name = "FILE")]
    update_like: Option<PathBuf>,
    #[command(flatten)]
    selecting: Selecting,
    /// Bound on each element's absolute value, in the update's units
    #[arg(long, value_name = "F", allow_negative_numbers = true, value_parser = positive)]
    clip: f64,
    /// Bits after the binary point, 0 to 40
    #[arg(long, value_name = "N")]
    fractional_bits: u8,
    /// The ring's width: auto, 8 to 32, or 64
    #[arg(long, value_name = "N", default_value = "auto", value_parser = ring_bits)]
    ring_bits: RingChoice,
    /// Smallest cohort that is released; at least 3
    #[arg(long, value_name = "N")]
    min_cohort: u32,
    /// Largest cohort that is accepted
    #[arg(long, value_name = "N")]
    max_cohort: u32,
    /// Largest weight a client may give itself
    #[arg(long, value_name = "N", default_value_t = 1)]
    max_weight: u32,
    /// stream: the enclave checks every update; presum: only sealed headers and one sum cross
    #[arg(long, value_name = "INTAKE", default_value = "stream")]
    intake: IntakeTerm,
    /// Who may contribute: open, or a registry's file
    #[arg(long, value_name = "open|FILE", default_value = "open")]
    admission: PathBuf,
    /// The authority's grant for that registry
    #[arg(long, value_name = "FILE")]
    grant: Option<PathBuf>,
    /// x-wing or x25519
    #[arg(long, value_name = "SUITE", default_value = "x-wing")]
    kem: KemTerm,
    /// sum, mean or weighted-mean
    #[arg(long, value_name = "RULE", default_value = "mean")]
    rule: RuleTerm,
    /// How values between two steps are rounded
    #[arg(long, value_enum, default_value_t = RoundingChoice::Nearest)]
    rounding: RoundingChoice,
    /// Bound on the L2 norm of a weighted update, in the update's units; stream only
    #[arg(long, value_name = "F", allow_negative_numbers = true, value_parser = positive)]
    l2_bound: Option<f64>,
    #[command(flatten)]
    timing: Timing,
    /// The task's previous receipt
    #[arg(long, value_name = "FILE")]
    previous_receipt: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum RingChoice {
    Auto,
    Bits(RingBits),
}

#[derive(Clone, Copy, ValueEnum)]
enum RoundingChoice {
    Nearest,
    Stochastic,
}

impl Args {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        let parent = self.parent.impatient()?;
        let signer = operator::load(&self.operator)?;
        let (terms, left_out) = self.terms(signer.key())?;
        let params = RoundParams::new(terms).map_err(|error| self.unplanned(error))?;
        let params = params.sign(&signer)?;
        let closing = self.timing.closing();
        let opened = match self.timing.opens() {
            None => {
                let opened = parent.open_round_until(&params, closing).await?;
                // It is open: that a list could not be had is no failure.
                let twins = self.twins(&parent, &opened).await.unwrap_or_default();
                summary::report(&opened)?.and("also_open", &twins, &twins_line(&twins))
            }
            Some(opens) => schedule::report(&parent.schedule(&params, opens, closing).await?)?,
        };
        Ok(opened.and("left_out", &left_out, &left_out_line(&left_out)))
    }

    /// Rounds of this number that collect already: most likely an earlier try whose answer was lost.
    async fn twins(&self, parent: &Parent, own: &RoundSummary) -> Result<Vec<String>, Failure> {
        let filter = RoundFilter {
            task: Some(self.task.clone()),
            phase: Some(Phase::Collecting),
        };
        let open = parent.rounds(&filter).await?.into_iter();
        let twins = open.filter(|round| {
            round.round_number == self.round_number && round.round_id != own.round_id
        });
        Ok(twins.map(|round| round.round_id).collect())
    }

    /// The terms, and what the layout's file has beside it.
    fn terms(&self, operator: OperatorKey) -> Result<(RoundTerms, Vec<String>), Failure> {
        let selection = self.selecting.selection();
        let base = BaseModel::read(&self.base_model, &selection)?;
        let like = self
            .update_like
            .as_deref()
            .map(|path| BaseModel::read(path, &selection))
            .transpose()?;
        let layout = like.as_ref().unwrap_or(&base);
        let schema = layout.schema();
        let previous: Option<Signed<Receipt>> = self
            .previous_receipt
            .as_deref()
            .map(|path| file::read_message(path, &file::Expected::RECEIPT))
            .transpose()?;
        let mut terms = RoundTerms {
            version: VERSION,
            task: self.task.clone(),
            round_number: self.round_number,
            operator,
            base_model: base.digest(),
            schema: schema.digest(),
            // A file that could be read has a dimension.
            dimension: schema.dimension().unwrap_or(0),
            ring_bits: WIDEST,
            clip: self.steps("--clip", self.clip)?,
            fractional_bits: self.fractional_bits,
            rounding: match self.rounding {
                RoundingChoice::Nearest => Rounding::Nearest,
                RoundingChoice::Stochastic => Rounding::Stochastic,
            },
            max_weight: self.max_weight,
            min_cohort: self.min_cohort,
            max_cohort: self.max_cohort,
            intake: self.intake.0,
            admission: admission::admission(
                &self.admission,
                self.grant.as_deref(),
                &self.task,
                self.min_cohort,
            )?,
            rule: self.rule.0,
            noise: Noise::None,
            kem: self.kem.0,
            l2_bound: self
                .l2_bound
                .map(|bound| self.steps("--l2-bound", bound))
                .transpose()?,
            previous_receipt: previous.as_ref().map(receipt_digest),
        };
        terms.ring_bits = match self.ring_bits {
            RingChoice::Bits(bits) => bits,
            // Where none fits, the planner says so, and what would.
            RingChoice::Auto => smallest_ring(largest_sum(&terms)).unwrap_or(WIDEST),
        };
        Ok((terms, layout.left_out().to_vec()))
    }

    /// The planner counts in steps; whoever reads this wrote units.
    fn unplanned(&self, error: PlanError) -> Failure {
        let PlanError::WouldWrap(why) = &error else {
            return error.into();
        };
        let clip = why.largest_clip as f64 / 2_f64.powi(self.fractional_bits.into());
        let detail = format!("{error} (that clip is --clip {clip})");
        Failure::from(error)
            .worded(detail)
            .with("largest_clip", clip)
    }

    /// A bound in the update's units as steps of 2^-fractional_bits.
    fn steps(&self, flag: &str, bound: f64) -> Result<u64, Failure> {
        let steps = (bound * 2_f64.powi(self.fractional_bits.into())).round();
        // Both ends are what the planner takes; between them a float holds every integer.
        if (1.0..=STEPS_LIMIT).contains(&steps) {
            return Ok(steps as u64);
        }
        Err(Failure::usage(&format!(
            "{flag} {bound} is {steps} steps of 2^-{}; it must be 1 to 2^52 steps: change it, or --fractional-bits",
            self.fractional_bits
        )))
    }
}

fn twins_line(twins: &[String]) -> String {
    if twins.is_empty() {
        return String::new();
    }
    // A stranger's texts, on a terminal.
    let ids: Vec<_> = twins
        .iter()
        .map(|id| id.escape_debug().to_string())
        .collect();
    format!(
        "\nalso open     {} (of this number, too: a client takes part in one of them; abort what is not meant)",
        ids.join(", ")
    )
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a bound is a number above 0".to_owned()),
    }
}

fn ring_bits(text: &str) -> Result<RingChoice, String> {
    if text == "auto" {
        return Ok(RingChoice::Auto);
    }
    let bits: u8 = text
        .parse()
        .map_err(|_| "auto, 8 to 32, or 64".to_owned())?;
    RingBits::new(bits)
        .map(RingChoice::Bits)
        .map_err(|error| error.to_string())
}

const WIDEST: RingBits = match RingBits::new(64) {
    Ok(bits) => bits,
    Err(_) => panic!("64 is a width of the ring"),
};
const STEPS_LIMIT: f64 = 4_503_599_627_370_496.0;

const EXAMPLE: &str = "Examples:
  sealsum round open --parent http://127.0.0.1:8480 --operator operator.key --task wards \\
      --round-number 1 --base-model model.npy --clip 4 --fractional-bits 16 \\
      --min-cohort 5 --max-cohort 100
  sealsum round open --parent http://127.0.0.1:8480 --operator operator.key --task wards \\
      --round-number 1 --base-model model.safetensors --select '*.lora_?.weight' \\
      --clip 4 --fractional-bits 16 --min-cohort 5 --max-cohort 100
  sealsum round open --parent http://127.0.0.1:8480 --operator operator.key --task wards \\
      --round-number 2 --base-model model-2.npy --clip 4 --fractional-bits 16 \\
      --min-cohort 5 --max-cohort 100 --after-previous --target-cohort 50 --closes-after 3600";
