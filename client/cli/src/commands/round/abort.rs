//! `sealsum round abort`: ends a round with nothing released, and can keep the enclave's word on it.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_protocol::{RoundId, canonical};
use serde_json::json;

use super::super::file;
use super::super::parent::ParentAddress;
use crate::failure::Failure;
use crate::output::{Report, counted};

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    parent: ParentAddress,
    /// Save the abort receipt here
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The round
    round_id: RoundId,
}

impl Args {
    pub(super) async fn run(self) -> Result<Report, Failure> {
        let receipt = self.parent.impatient()?.abort(&self.round_id).await?;
        // Clients judge the signature by the key that their ledgers recorded; an operator has none.
        let shown = receipt.unverified();
        if shown.round_id != self.round_id {
            let detail = "the parent answered with another round's abort receipt";
            return Err(Failure::refused("other_round", &detail));
        }
        if let Some(out) = &self.out {
            file::write(out, &canonical::encode(&receipt))?;
        }
        let discarded = shown.discarded;
        Ok(Report::new(
            json!({
                "round_id": self.round_id.to_string(),
                "phase": "aborted",
                "discarded": discarded,
            }),
            format!(
                "aborted, {} discarded",
                counted(discarded.into(), "contribution")
            ),
        ))
    }
}

const EXAMPLE: &str = "Example:
  sealsum round abort --parent http://127.0.0.1:8480 --out abort.cbor \\
      6ac3c336e4094835293a3fed8a4b5fedde1b5e2626d9838fed50693bba00af0e";
