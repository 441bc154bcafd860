//! `sealsum round list`: the rounds that a parent keeps.

use clap::Args as ClapArgs;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use sealsum_client::{RoundFilter, RoundSummary};
use sealsum_protocol::TaskName;
use sealsum_protocol::messages::Phase;
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
    /// In this phase only
    #[arg(long, value_name = "PHASE", value_parser = phases())]
    phase: Option<Phase>,
}

impl Args {
    pub(super) async fn run(&self) -> Result<Report, Failure> {
        let filter = RoundFilter {
            task: self.task.clone(),
            phase: self.phase,
        };
        let rounds = self.parent.impatient()?.rounds(&filter).await?;
        let lines: Vec<_> = rounds.iter().map(line).collect();
        let text = if lines.is_empty() {
            let all = self.task.is_none() && self.phase.is_none();
            let none = if all {
                "no round is kept"
            } else {
                "no such round is kept; without --task and --phase all are listed"
            };
            none.to_owned()
        } else {
            lines.join("\n")
        };
        Ok(Report::new(json!({ "rounds": rounds }), text))
    }
}

/// In the parent's words.
fn phases() -> impl TypedValueParser<Value = Phase> {
    PossibleValuesParser::new(PHASES.map(|(name, _)| name)).try_map(|name| {
        let found = PHASES.iter().find(|(known, _)| *known == name);
        found.map(|(_, phase)| *phase).ok_or("no phase")
    })
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

const PHASES: [(&str, Phase); 5] = [
    ("collecting", Phase::Collecting),
    ("releasing", Phase::Releasing),
    ("released", Phase::Released),
    ("aborted", Phase::Aborted),
    ("lost", Phase::Lost),
];
const EXAMPLE: &str = "Example:
  sealsum round list --parent http://127.0.0.1:8480 --task wards --phase released --json";
