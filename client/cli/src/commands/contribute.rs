//! `sealsum contribute`: seal an update for an attested enclave, spend it, upload it.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args as ClapArgs};
use sealsum_client::{
    BaseModel, Client, ContributeOptions, Contributed, Identity, Member, RegistryFile, RoundPolicy,
    Target, Update, system_clock,
};
use sealsum_protocol::fixed::OutOfRange;
use sealsum_protocol::{RoundId, TaskName};
use serde_json::json;

use super::parent::PatientParent;
use super::selecting::{Selecting, left_out_line};
use crate::failure::Failure;
use crate::output::{Report, counted, trust_line};
use crate::progress;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE, group = ArgGroup::new("target").required(true).args(["task", "round"]))]
pub(crate) struct Args {
    #[command(flatten)]
    parent: PatientParent,
    /// The identity's folder
    #[arg(long, value_name = "DIR")]
    identity: PathBuf,
    /// What this data holder accepts
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Join the newest round of this task that is collecting
    #[arg(long, value_name = "NAME")]
    task: Option<TaskName>,
    /// Join this round
    #[arg(long, value_name = "ROUND_ID")]
    round: Option<RoundId>,
    /// The registry that the round goes by; needed unless its admission is open
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// The model that the update is relative to
    #[arg(long, value_name = "FILE")]
    base_model: PathBuf,
    /// The update, .npy or .npz (f16, f32, f64) or .safetensors (bf16 too); integers are left out
    #[arg(long, value_name = "FILE")]
    update: PathBuf,
    #[command(flatten)]
    selecting: Selecting,
    /// This site's weight, under the rule weighted-mean
    #[arg(long, value_name = "N", default_value_t = 1)]
    weight: u32,
    /// Refuse values beyond the round's clip instead of clamping them
    #[arg(long)]
    refuse_out_of_range: bool,
    /// Where an earlier round is in the way, don't ask the parent for the proof that frees it
    #[arg(long)]
    no_refund: bool,
    /// The enclave is a mock, which protects nothing
    #[arg(long)]
    mock: bool,
}

impl Args {
    pub(crate) async fn run(self, json: bool) -> Result<Report, Failure> {
        let policy = RoundPolicy::load(&self.policy)?;
        policy.trust(self.mock)?;
        let selection = self.selecting.selection();
        let base_model = BaseModel::read(&self.base_model, &selection)?;
        let update = Update::read(&self.update, &selection)?;
        let identity = Identity::load(&self.identity)?;
        let member = match &self.registry {
            Some(registry) => Some(place(&identity, registry)?),
            None => None,
        };
        let bar = progress::bar("upload", json);
        let parent = self.parent.named(&bar, json)?;
        let mut client = Client::new(parent, &identity, policy, system_clock)?;
        if let Some(member) = member {
            client = client.with_member(member);
        }
        let progress = {
            let bar = bar.clone();
            move |done, total| progress::advance(&bar, done, total)
        };
        let target = match (self.round, self.task) {
            (Some(round), _) => {
                // What is sealed already needs no offer: the round may be closed by now.
                let sealed = (&update, self.weight);
                let again = client
                    .resend(&round, sealed, self.mock, progress.clone())
                    .await?;
                if let Some(contributed) = again {
                    return Ok(report(&contributed, update.left_out()));
                }
                Target::Round(round)
            }
            (None, Some(task)) => Target::Task(task),
            (None, None) => return Err(Failure::usage("give --task or --round")),
        };
        let options = ContributeOptions {
            weight: self.weight,
            out_of_range: if self.refuse_out_of_range {
                OutOfRange::Refuse
            } else {
                OutOfRange::Clamp
            },
            refund: !self.no_refund,
        };
        let round = client.join(&target, base_model, self.mock).await?;
        let contributed = round.contribute(&update, options, progress).await?;
        bar.finish_and_clear();
        Ok(report(&contributed, update.left_out()))
    }
}

fn place(identity: &Identity, registry: &Path) -> Result<Member, Failure> {
    let file = RegistryFile::read(registry)?;
    identity.member_of(file.registry()).ok_or_else(|| {
        let detail = format!(
            "this identity's key, {}, is not in the registry {}; nothing was asked of the parent. Whoever keeps the registry can add it",
            identity.client_id(),
            registry.display()
        );
        Failure::configuration("not_in_registry", &detail)
    })
}

fn report(contributed: &Contributed, left_out: &[String]) -> Report {
    let Contributed {
        acceptance,
        clamped,
        resent,
        compared,
        refunded,
        uploaded_bytes,
        budget_left,
        trust,
    } = contributed;
    let freed: Vec<_> = refunded
        .iter()
        .map(|(round, proof)| json!({ "round_id": round.to_string(), "proof": proof.as_str() }))
        .collect();
    let mut json = json!({
        "round_id": acceptance.round_id.to_string(),
        "client_id": acceptance.client.to_string(),
        "contribution": acceptance.contribution.to_string(),
        "clamped": clamped,
        "resent": resent,
        "refunded": freed,
        "trust": trust.as_str(),
        "budget_left": budget_left,
        "uploaded_bytes": uploaded_bytes,
    });
    let mut text = String::new();
    for (round, proof) in refunded {
        text += &format!("freed         round {round}, by {}\n", proof.words());
    }
    let again = match (resent, compared) {
        (false, _) => "",
        (true, true) => " (sealed from this update by an earlier call)",
        (true, false) => {
            " (sealed by an earlier version of sealsum, which did not keep from which update: the file given now was NOT sent)"
        }
    };
    text += &format!(
        "accepted      {}{again}\nround         {}\nclamped       {}\nbudget left   {}",
        acceptance.contribution,
        acceptance.round_id,
        counted(*clamped, "value"),
        counted((*budget_left).into(), "contribution"),
    );
    if *resent {
        json["same_update"] = if *compared { json!(true) } else { json!(null) };
    } else {
        // Of what an earlier call sealed, it is the earlier answer's.
        json["left_out"] = json!(left_out);
        text += &left_out_line(left_out);
    }
    text += &format!("\n{}", trust_line(*trust));
    Report::new(json, text)
}

const EXAMPLE: &str = "Examples:
  sealsum contribute --parent http://127.0.0.1:8480 --identity clinic \\
      --policy clinic.toml --task wards --base-model model.safetensors \\
      --update adapter.safetensors --select '*.lora_?.weight'
  sealsum contribute --parent http://127.0.0.1:8480 --identity clinic \\
      --policy clinic.toml --task wards --base-model model.npy --update update.npy";
