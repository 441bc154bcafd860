//! `sealsum-attest policy new`: a policy with all its keys and what they mean.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde_json::json;

use super::entry::{Entry, quoted};
use crate::failure::Failure;
use crate::output::Report;
use crate::{file, policy_file};

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    entry: Entry,
    /// How old a document may be
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    max_age_seconds: u64,
    /// How far a document's time may be ahead of this machine's clock
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    clock_skew_seconds: u64,
    /// A mock's root certificate, PEM, its path relative to the policy's folder
    #[arg(long, value_name = "FILE", requires = "mock")]
    root: Option<String>,
    /// The policy is for a mock, which protects nothing
    #[arg(long)]
    mock: bool,
    /// Let enclaves in debug mode through, which their host can read
    #[arg(long, requires = "mock")]
    allow_debug: bool,
    /// Where to write it; without, to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        if let Some(out) = &self.out {
            file::refuse_existing(out)?;
        }
        let entry = self.entry.write()?;
        let root = self.root.as_deref().unwrap_or("aws-nitro");
        let text = format!(
            "root = {}            # who vouches for the hardware\n\
             mock = {}                  # true: evidence of a mock, which protects nothing\n\
             max_age_seconds = {}         # how old a document may be\n\
             clock_skew_seconds = {}       # how far its time may be ahead of the local clock\n\
             allow_debug = {}           # true: enclaves that their host can read\n{}",
            quoted(root),
            self.mock,
            self.max_age_seconds,
            self.clock_skew_seconds,
            self.allow_debug,
            entry.toml
        );
        let path = self.out.as_deref().unwrap_or(Path::new("policy.toml"));
        let policy = policy_file::check(path, &text)?;
        let mut json = json!({
            "label": entry.label,
            "trust": policy.trust().as_str(),
            "warning": entry.warning,
            "policy": text,
        });
        let Some(out) = &self.out else {
            return Ok(Report::new(json, text));
        };
        file::write(out, text.as_bytes())?;
        let out = out.display().to_string();
        json["out"] = out.as_str().into();
        let warning = entry.warning.map(|warning| format!("\nnote     {warning}"));
        let text = format!(
            "accepts  {:?}\nwritten  {out}{}",
            entry.label,
            warning.unwrap_or_default()
        );
        Ok(Report::new(json, text))
    }
}

const EXAMPLE: &str = "Examples:
  sealsum-attest policy new --from image.eif --label \"sealsum 0.1.0\" --out new.toml
  sealsum-attest policy new --from measurements.json
  sealsum-attest policy new --from document.cbor --pcr 4
  sealsum-attest policy new --label releases --min-version 0.1.0 \\
      --publisher ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c
  sealsum-attest policy new --from image.eif --mock --root mock-root.pem";
