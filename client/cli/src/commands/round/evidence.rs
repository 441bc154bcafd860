//! `sealsum round evidence`: saves what makes a receipt self-contained.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_protocol::{RoundId, canonical};
use serde_json::json;

use super::super::file;
use super::super::parent::PatientParent;
use crate::failure::Failure;
use crate::output::Report;
use crate::progress;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    parent: PatientParent,
    /// Where to save it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The round
    round_id: RoundId,
}

impl Args {
    pub(super) async fn run(self, json: bool) -> Result<Report, Failure> {
        let parent = self.parent.named(&progress::bar("evidence", json), json)?;
        let evidence = parent.evidence(&self.round_id).await?;
        let bytes = canonical::encode(&evidence);
        file::write(&self.out, &bytes)?;
        let out = self.out.display().to_string();
        let text = format!("saved {} bytes to {out}, not verified yet", bytes.len());
        let round_id = self.round_id.to_string();
        let json = json!({ "round_id": round_id, "out": out, "bytes": bytes.len() });
        Ok(Report::new(json, text))
    }
}

const EXAMPLE: &str = "Example:
  sealsum round evidence --parent http://127.0.0.1:8480 --out evidence.cbor \\
      6ac3c336e4094835293a3fed8a4b5fedde1b5e2626d9838fed50693bba00af0e";
