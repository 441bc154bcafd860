//! `sealsum collect`: fetch a released aggregate, verify it, and see whether this site is in it.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_client::update::{FileFormat, to_file, to_npy};
use sealsum_client::{BaseModel, Identity, Ledger, RoundPolicy, VerifiedAggregate, collect};
use sealsum_protocol::{RoundId, canonical};
use serde_json::json;

use super::file;
use super::parent::PatientParent;
use super::selecting::Selecting;
use crate::failure::Failure;
use crate::output::{Report, trust_line};
use crate::progress;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    parent: PatientParent,
    /// What this data holder accepts
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The identity's folder, to prove that its own contribution is in the sum
    #[arg(long, value_name = "DIR")]
    identity: Option<PathBuf>,
    /// Where to write the aggregate: .npy (d 64-bit floats), or .npz or .safetensors (the base model's layout)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The layout of a .npz or .safetensors output
    #[arg(long, value_name = "FILE")]
    base_model: Option<PathBuf>,
    #[command(flatten)]
    selecting: Selecting,
    /// Save the receipt here
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Save the evidence here
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// The enclave is a mock, which protects nothing
    #[arg(long)]
    mock: bool,
    /// The round
    round_id: RoundId,
}

/// How the aggregate is written.
enum Format {
    Npy,
    Named(FileFormat, BaseModel),
}

impl Args {
    pub(crate) async fn run(self, json: bool) -> Result<Report, Failure> {
        let policy = RoundPolicy::load(&self.policy)?;
        let trust = policy.trust(self.mock)?;
        let format = self.format()?;
        let bar = progress::bar("download", json);
        let parent = self.parent.named(&bar, json)?;
        let mut ledger = match &self.identity {
            Some(folder) => Some(Ledger::open(&Identity::load(folder)?, trust)?),
            None => None,
        };
        let aggregate = collect(
            &parent,
            &policy,
            ledger.as_mut(),
            &self.round_id,
            self.mock,
            |done, total| progress::advance(&bar, done, total),
        )
        .await?;
        bar.finish_and_clear();
        self.save(&format, &aggregate)?;
        Ok(self.report(&aggregate))
    }

    fn format(&self) -> Result<Format, Failure> {
        match (FileFormat::of(&self.out), &self.base_model) {
            (Some(FileFormat::Npy), _) => Ok(Format::Npy),
            (Some(format), Some(model)) => Ok(Format::Named(
                format,
                BaseModel::read(model, &self.selecting.selection())?,
            )),
            (Some(_), None) => Err(Failure::usage(
                "a .npz or .safetensors output takes its layout from --base-model",
            )),
            (None, _) => Err(Failure::usage("--out ends in .npy, .npz or .safetensors")),
        }
    }

    fn save(&self, format: &Format, aggregate: &VerifiedAggregate) -> Result<(), Failure> {
        let bytes = match format {
            Format::Npy => to_npy(&aggregate.values),
            Format::Named(format, model) => {
                // Equal dimensions are not enough: values would stand under others' names.
                if model.schema().digest() != aggregate.verified.terms().schema {
                    let detail = "the round's updates are laid out otherwise than --base-model: give a file of their layout, with the round's --select and --exclude; or write .npy";
                    return Err(Failure::configuration("layout", &detail));
                }
                to_file(*format, model.schema(), &aggregate.values)?
            }
        };
        file::write(&self.out, &bytes)?;
        if let Some(path) = &self.receipt {
            file::write(path, &canonical::encode(&aggregate.receipt))?;
        }
        if let Some(path) = &self.evidence {
            file::write(path, &canonical::encode(aggregate.verified.evidence()))?;
        }
        Ok(())
    }

    fn report(&self, aggregate: &VerifiedAggregate) -> Report {
        let verified = &aggregate.verified;
        let receipt = verified.receipt();
        let own = aggregate.own_contribution.as_str();
        let out = self.out.display().to_string();
        let json = json!({
            "round_id": receipt.round_id.to_string(),
            "cohort_size": receipt.cohort_size,
            "total_weight": receipt.total_weight,
            "excluded": receipt.excluded.len(),
            "own_contribution": own,
            "receipt_ok": true,
            "trust": verified.trust().as_str(),
            "dimension": aggregate.values.len(),
            "downloaded_bytes": verified.aggregate_bytes(),
            "out": out,
        });
        let text = format!(
            "aggregate         {} values of {} clients, to {out}\nown contribution  {own}\nreceipt           verified\n{}",
            aggregate.values.len(),
            receipt.cohort_size,
            trust_line(verified.trust())
        );
        Report::new(json, text)
    }
}

const EXAMPLE: &str = "Example:
  sealsum collect --parent http://127.0.0.1:8480 --policy clinic.toml --identity clinic \\
      --out aggregate.npy \\
      6ac3c336e4094835293a3fed8a4b5fedde1b5e2626d9838fed50693bba00af0e";
