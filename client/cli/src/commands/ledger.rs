//! `sealsum ledger`: what this identity has spent, and how a round becomes free again.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use sealsum_attestation::Trust;
use sealsum_client::{Identity, Ledger, Record, RecordState, RoundPolicy, refund};
use sealsum_protocol::RoundId;
use serde_json::{Value, json};

use super::parent::PatientParent;
use crate::failure::Failure;
use crate::output::{Report, counted};
use crate::{progress, rfc3339};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show every contribution of this identity
    #[command(after_help = "Example:\n  sealsum ledger show clinic --policy clinic.toml")]
    Show {
        /// The identity's folder
        dir: PathBuf,
        /// What this data holder accepts, to show what is left of its budget
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Show the ledger of mock rounds, which is apart
        #[arg(long)]
        mock: bool,
    },
    /// Free a round by its abort receipt, or by the proof that this site is not in its sum
    #[command(after_help = REFUND_EXAMPLE)]
    Refund {
        /// The identity's folder
        dir: PathBuf,
        #[command(flatten)]
        parent: PatientParent,
        /// The round
        round_id: RoundId,
        /// What this data holder accepts
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        /// The enclave was a mock, which protects nothing
        #[arg(long)]
        mock: bool,
    },
}

impl Command {
    pub(crate) async fn run(self, json: bool) -> Result<Report, Failure> {
        match self {
            Self::Show { dir, policy, mock } => show(&dir, policy.as_deref(), mock),
            Self::Refund {
                dir,
                parent,
                round_id,
                policy,
                mock,
            } => {
                let policy = RoundPolicy::load(&policy)?;
                let mut ledger = Ledger::open(&Identity::load(&dir)?, policy.trust(mock)?)?;
                let budget = policy.terms().budget.contributions;
                if freed_before(&ledger, &round_id)? {
                    let left = budget.saturating_sub(ledger.used()?);
                    return Ok(Report::new(
                        json!({
                            "round_id": round_id.to_string(),
                            "refunded": true,
                            "already": true,
                            "budget_left": left,
                            "trust": ledger.trust().as_str(),
                        }),
                        format!(
                            "round {round_id} was freed already; {} left",
                            counted(left.into(), "contribution")
                        ),
                    ));
                }
                let parent = parent.named(&progress::bar("proof", json), json)?;
                let proof = refund(&parent, &mut ledger, &round_id).await?;
                let left = budget.saturating_sub(ledger.used()?);
                Ok(Report::new(
                    json!({
                        "round_id": round_id.to_string(),
                        "refunded": true,
                        "already": false,
                        "proof": proof.as_str(),
                        "budget_left": left,
                        "trust": ledger.trust().as_str(),
                    }),
                    format!(
                        "freed round {round_id} by {}; {} left",
                        proof.words(),
                        counted(left.into(), "contribution")
                    ),
                ))
            }
        }
    }
}

fn freed_before(ledger: &Ledger, round_id: &RoundId) -> Result<bool, Failure> {
    let record = ledger.record(round_id)?;
    Ok(record.is_some_and(|record| record.state == RecordState::Refunded))
}

fn show(dir: &Path, policy: Option<&Path>, mock: bool) -> Result<Report, Failure> {
    let (trust, budget) = match policy {
        Some(policy) => {
            let policy = RoundPolicy::load(policy)?;
            let budget = policy.terms().budget.contributions;
            (policy.trust(mock)?, Some(budget))
        }
        None if mock => (Trust::Mock, None),
        None => (Trust::AwsNitro, None),
    };
    let ledger = Ledger::open(&Identity::load(dir)?, trust)?;
    let records = ledger.records()?;
    let spent = ledger.used()?;
    let left = budget.map(|budget| budget.saturating_sub(spent));
    let rows: Vec<Value> = records.iter().map(row).collect();
    let mut text = format!(
        "client       {}\nrounds       {trust}\nspent        {}\nbudget left  {}\n",
        ledger.client_id(),
        counted(spent.into(), "contribution"),
        left.map_or_else(
            || "in the policy: --policy FILE shows it".to_owned(),
            |left| counted(left.into(), "contribution")
        ),
    );
    for record in &records {
        text += &format!(
            "{}  {}  {} round {}  {}{}\n",
            record.round_id,
            rfc3339::format(record.sealed_at),
            record.task,
            record.round_number,
            record.state,
            if record.unproven_retry {
                "  (unproven retry)"
            } else {
                ""
            }
        );
    }
    let json = json!({
        "client_id": ledger.client_id().to_string(),
        "trust": trust.as_str(),
        "spent": spent,
        "budget": budget,
        "budget_left": left,
        "records": rows,
    });
    Ok(Report::new(json, text))
}

fn row(record: &Record) -> Value {
    json!({
        "round_id": record.round_id.to_string(),
        "task": record.task.as_str(),
        "round_number": record.round_number,
        "base_model": record.base_model.to_string(),
        "contribution": record.contribution.to_string(),
        "state": record.state.as_str(),
        "unproven_retry": record.unproven_retry,
        "clamped": record.clamped,
        "sealed_at_ms": record.sealed_at.0,
    })
}

const REFUND_EXAMPLE: &str = "Example:
  sealsum ledger refund clinic --parent http://127.0.0.1:8480 --policy clinic.toml \\
      6ac3c336e4094835293a3fed8a4b5fedde1b5e2626d9838fed50693bba00af0e";
