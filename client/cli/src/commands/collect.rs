//! `sealsum collect`: fetch a released aggregate, verify it, and see whether this site is in it.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_client::update::{FileFormat, to_file, to_npy};
use sealsum_client::{BaseModel, Identity, Ledger, RoundPolicy, VerifiedAggregate, collect};
use sealsum_protocol::{Digest, Dtype, RoundId, canonical};
use serde_json::json;

use super::file;
use super::parent::PatientParent;
use super::selecting::Selecting;
use crate::failure::Failure;
use crate::output::{Report, counted, trust_line};
use crate::{progress, rfc3339};

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
    /// Where to write the aggregate: .npy (64-bit floats), or .npz or .safetensors (number types of the base model)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The layout of the output; without it, a .npy output is flat
    #[arg(long, value_name = "FILE")]
    base_model: Option<PathBuf>,
    #[command(flatten)]
    selecting: Selecting,
    /// Save the aggregate as it was released here, in the packed blocks that `verify-receipt` reads
    #[arg(long, value_name = "FILE")]
    aggregate: Option<PathBuf>,
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
    Flat,
    LaidOut(FileFormat, BaseModel),
}

impl Format {
    /// A file of the values, of a round whose updates are laid out so.
    fn of(&self, values: &[f64], layout: &Digest) -> Result<Vec<u8>, Failure> {
        let Self::LaidOut(format, model) = self else {
            return Ok(to_npy(values));
        };
        // Equal dimensions are not enough: values would stand under others' names.
        if model.schema().digest() != *layout {
            let detail = "the round's updates are laid out otherwise than --base-model: give a file of their layout, with the round's --select and --exclude; or leave --base-model out and write .npy";
            return Err(Failure::configuration("layout", &detail));
        }
        let mut schema = model.schema().clone();
        if *format == FileFormat::Npy {
            // Nothing of the sum is lost to the model's number type.
            schema
                .tensors
                .iter_mut()
                .for_each(|spec| spec.dtype = Dtype::F64);
        }
        Ok(to_file(*format, &schema, values)?)
    }
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
        Ok(self.report(&format, &aggregate))
    }

    fn format(&self) -> Result<Format, Failure> {
        match (FileFormat::of(&self.out), &self.base_model) {
            (Some(format), Some(model)) => Ok(Format::LaidOut(
                format,
                BaseModel::read(model, &self.selecting.selection())?,
            )),
            (Some(FileFormat::Npy), None) => Ok(Format::Flat),
            (Some(_), None) => Err(Failure::usage(
                "a .npz or .safetensors output takes its layout from --base-model",
            )),
            (None, _) => Err(Failure::usage("--out ends in .npy, .npz or .safetensors")),
        }
    }

    fn save(&self, format: &Format, aggregate: &VerifiedAggregate) -> Result<(), Failure> {
        let layout = aggregate.verified.terms().schema;
        let bytes = format.of(&aggregate.values, &layout)?;
        file::write(&self.out, &bytes)?;
        if let Some(path) = &self.aggregate {
            file::write(path, &aggregate.packed)?;
        }
        if let Some(path) = &self.receipt {
            file::write(path, &canonical::encode(&aggregate.receipt))?;
        }
        if let Some(path) = &self.evidence {
            file::write(path, &canonical::encode(aggregate.verified.evidence()))?;
        }
        Ok(())
    }

    fn report(&self, format: &Format, aggregate: &VerifiedAggregate) -> Report {
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
            "flat": matches!(format, Format::Flat),
            "evidence_time": rfc3339::format(verified.evidence_time()),
            "downloaded_bytes": verified.aggregate_bytes(),
            "out": out,
        });
        let shape = match format {
            Format::Flat => ", flat (--base-model FILE would give it the model's shape)",
            Format::LaidOut(..) => "",
        };
        let text = format!(
            "aggregate         {} of {}, to {out}{shape}\nown contribution  {own}\nexcluded          {}\nreceipt           verified\nevidence          of {}\n{}",
            counted(aggregate.values.len() as u64, "value"),
            counted(receipt.cohort_size.into(), "client"),
            receipt.excluded.len(),
            rfc3339::format(verified.evidence_time()),
            trust_line(verified.trust())
        );
        Report::new(json, text)
    }
}

const EXAMPLE: &str = "Example:
  sealsum collect --parent http://127.0.0.1:8480 --policy clinic.toml --identity clinic \\
      --out mean.npy --base-model model.npy --aggregate aggregate.bin \\
      --receipt receipt.cbor --evidence evidence.cbor \\
      6ac3c336e4094835293a3fed8a4b5fedde1b5e2626d9838fed50693bba00af0e";

#[cfg(test)]
mod tests {
    use sealsum_client::Selection;
    use sealsum_protocol::{Schema, TensorSpec};

    use super::*;

    /// A model of two by three 32-bit floats.
    fn model() -> BaseModel {
        let tensor = TensorSpec {
            name: String::new(),
            shape: vec![2, 3],
            dtype: Dtype::F32,
        };
        let schema = Schema {
            tensors: vec![tensor],
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.npy");
        let bytes = to_file(FileFormat::Npy, &schema, &[0.0; 6]).unwrap();
        std::fs::write(&path, bytes).unwrap();
        BaseModel::read(&path, &Selection::all()).unwrap()
    }

    #[test]
    fn an_array_has_the_models_shape_and_all_of_the_sum() {
        let layout = model().schema().digest();
        let values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
        let shaped = Format::LaidOut(FileFormat::Npy, model());
        let bytes = shaped.of(&values, &layout).unwrap();
        let head = String::from_utf8_lossy(&bytes);
        assert!(head.contains("<f8") && head.contains("(2, 3,)"), "{head}");
        let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert!(bytes.ends_with(&numbers));
        let flat = Format::Flat.of(&values, &layout).unwrap();
        assert!(String::from_utf8_lossy(&flat).contains("(6,)"));
        // Under another layout the values would be misnamed.
        let other = Digest::new([1; 32]);
        assert_eq!(shaped.of(&values, &other).unwrap_err().code, "layout");
    }
}
