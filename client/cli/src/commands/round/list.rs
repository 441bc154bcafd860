//! `sealsum round list`: the rounds that a parent keeps.

use clap::Args as ClapArgs;
use sealsum_client::RoundSummary;
use sealsum_protocol::TaskName;
use serde_json::json;

use super::super::parent::ParentAddress;
use crate::failure::Failure;
use crate::output::Report;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(flatten)]
    parent: ParentAddress,
    /// Of this task only
    #[arg(long, value_name = "NAME")]
    task: Option<TaskName>,
}

impl Args {
    pub(super) async fn run(&self) -> Result<Report, Failure> {
        let mut rounds = self.parent.impatient()?.rounds().await?;
        if let Some(task) = &self.task {
            let task = task.to_string();
            rounds.retain(|round| round.task == task);
        }
        let lines: Vec<_> = rounds.iter().map(line).collect();
        let text = if lines.is_empty() {
            "no round is kept".to_owned()
        } else {
            lines.join("\n")
        };
        Ok(Report::new(json!({ "rounds": rounds }), text))
    }
}

fn line(round: &RoundSummary) -> String {
    // A stranger's texts, on a terminal.
    let printable = |text: &str| text.escape_debug().to_string();
    format!(
        "{} {} round {}: {}, {} of {} to {}",
        printable(&round.round_id),
        printable(&round.task),
        round.round_number,
        round.phase,
        round.contributions,
        round.min_cohort,
        round.max_cohort,
    )
}

const EXAMPLE: &str = "Example:
  sealsum round list --parent http://127.0.0.1:8480 --task wards --json";
