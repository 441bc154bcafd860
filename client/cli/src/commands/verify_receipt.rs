//! `sealsum verify-receipt`: an auditor's check, from files alone.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_client::{RoundPolicy, VerifiedReceipt};
use sealsum_protocol::{Receipt, RoundEvidence, Signed};
use serde_json::json;

use super::file::{self, Expected};
use crate::failure::Failure;
use crate::output::{Report, counted, trust_line};
use crate::rfc3339;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The receipt
    #[arg(long, value_name = "FILE")]
    receipt: PathBuf,
    /// The evidence kept with it
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
    /// Which enclaves, operator and tasks count
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The aggregate as released: packed blocks, as `collect --aggregate` saves them
    #[arg(long, value_name = "FILE")]
    aggregate: Option<PathBuf>,
    /// The enclave is a mock, which protects nothing
    #[arg(long)]
    mock: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let policy = RoundPolicy::load(&self.policy)?;
        policy.trust(self.mock)?;
        let receipt: Signed<Receipt> = file::read_message(&self.receipt, &Expected::RECEIPT)?;
        let evidence: RoundEvidence = file::read_message(&self.evidence, &Expected::EVIDENCE)?;
        let verified = VerifiedReceipt::verify(&receipt, evidence, &policy, self.mock)?;
        let aggregate_ok = match &self.aggregate {
            Some(path) => {
                let packed = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
                match verified.open_aggregate(&packed) {
                    Ok(_) => Some(true),
                    // Another kind of file by mistake is no falsified aggregate.
                    Err(_) if file::kind_of(&packed).is_some() => {
                        return Err(Expected::AGGREGATE.but_found(path, &packed));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            None => None,
        };
        let receipt = verified.receipt();
        let terms = verified.terms();
        let json = json!({
            "receipt_ok": true,
            "aggregate_ok": aggregate_ok,
            "round_id": receipt.round_id.to_string(),
            "task": terms.task.as_str(),
            "round_number": terms.round_number,
            "cohort_size": receipt.cohort_size,
            "total_weight": receipt.total_weight,
            "excluded": receipt.excluded.len(),
            "evidence_time_ms": verified.evidence_time().0,
            "evidence_time": rfc3339::format(verified.evidence_time()),
            "trust": verified.trust().as_str(),
        });
        let text = format!(
            "receipt    verified\nround      {}\ntask       {}, round {}\ncohort     {}, {} excluded\naggregate  {}\nevidence   of {}\n{}",
            receipt.round_id,
            terms.task,
            terms.round_number,
            counted(receipt.cohort_size.into(), "client"),
            receipt.excluded.len(),
            aggregate_ok.map_or("not given", |_| "verified"),
            rfc3339::format(verified.evidence_time()),
            trust_line(verified.trust()),
        );
        Ok(Report::new(json, text))
    }
}

const EXAMPLE: &str = "Example:
  sealsum verify-receipt --receipt receipt.cbor --evidence evidence.cbor \\
      --policy clinic.toml --aggregate aggregate.bin";
