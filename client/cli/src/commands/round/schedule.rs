//! `sealsum round schedule` and `unschedule`, and the words in which rounds are scheduled.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args as ClapArgs;
use sealsum_client::{ClosingRule, Opens, ScheduledRound};
use sealsum_protocol::RoundId;
use serde_json::json;

use super::super::parent::ParentAddress;
use crate::failure::Failure;
use crate::output::Report;
use crate::rfc3339;

/// When a round opens and closes by itself.
#[derive(ClapArgs)]
pub(super) struct Timing {
    /// Close as soon as so many contributions are in
    #[arg(long, value_name = "N")]
    target_cohort: Option<u32>,
    /// Close so many seconds after opening; abort if the minimum is not reached by then
    #[arg(long, value_name = "SECONDS")]
    closes_after: Option<u64>,
    /// Open at this time instead of now, as 2026-12-01T02:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "after_previous")]
    opens_at: Option<u64>,
    /// Open once no round of the task is in progress, behind those that are scheduled already
    #[arg(long)]
    after_previous: bool,
}

impl Timing {
    pub(super) const fn closing(&self) -> ClosingRule {
        ClosingRule {
            target_cohort: self.target_cohort,
            closes_after_seconds: self.closes_after,
        }
    }

    /// `None` is now.
    pub(super) fn opens(&self) -> Option<Opens> {
        let after = self.after_previous.then_some(Opens::AfterPrevious);
        self.opens_at.map(Opens::At).or(after)
    }
}

fn time(text: &str) -> Result<u64, String> {
    let parsed = rfc3339::parse(text).map(|time| time.0 / 1000);
    let time =
        parsed.ok_or_else(|| "a time is written as 2026-12-01T02:00:00Z, in UTC".to_owned())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // A minute, for who types the current one.
    if time + 60 < now.map_or(0, |now| now.as_secs()) {
        return Err("this time is over; without --opens-at the round opens now".to_owned());
    }
    Ok(time)
}

#[derive(ClapArgs)]
#[command(after_help = LIST_EXAMPLE)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    parent: ParentAddress,
}

impl ListArgs {
    pub(super) async fn run(&self) -> Result<Report, Failure> {
        let scheduled = self.parent.impatient()?.scheduled().await?;
        let lines: Vec<_> = scheduled.iter().map(line).collect();
        let text = if lines.is_empty() {
            "no round is scheduled".to_owned()
        } else {
            lines.join("\n")
        };
        Ok(Report::new(json!({ "scheduled": scheduled }), text))
    }
}

/// What is told of one that was just scheduled.
pub(super) fn report(scheduled: &ScheduledRound) -> Result<Report, Failure> {
    let json = serde_json::to_value(scheduled)
        .map_err(|error| Failure::refused("parent_answer", &error))?;
    Ok(Report::new(json, line(scheduled)))
}

fn line(scheduled: &ScheduledRound) -> String {
    let opens = match scheduled.opens {
        Opens::At(seconds) => {
            let time = sealsum_protocol::UnixMillis(seconds.saturating_mul(1000));
            format!("opens {}", rfc3339::format(time))
        }
        Opens::AfterPrevious => "opens after the one before".to_owned(),
    };
    let failed = scheduled.failed.as_ref();
    let failed = failed.map_or(String::new(), |why| format!("; will not open: {why}"));
    // A stranger's texts, on a terminal.
    let printable = |text: &str| text.escape_debug().to_string();
    format!(
        "{} {} round {}: {opens}, closes {}{}",
        printable(&scheduled.schedule_id),
        printable(&scheduled.task),
        scheduled.round_number,
        closes(scheduled.closing),
        printable(&failed),
    )
}

fn closes(rule: ClosingRule) -> String {
    let target = rule
        .target_cohort
        .map(|target| format!("at {target} clients"));
    let time = rule
        .closes_after_seconds
        .map(|seconds| format!("after {seconds} s"));
    match [target, time].into_iter().flatten().collect::<Vec<_>>() {
        none if none.is_empty() => {
            "by hand only, and those behind it in the task wait until then".to_owned()
        }
        reasons => reasons.join(" or "),
    }
}

#[derive(ClapArgs)]
#[command(after_help = REMOVE_EXAMPLE)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    parent: ParentAddress,
    /// The id in the schedule, as scheduling printed it
    schedule_id: RoundId,
}

impl RemoveArgs {
    pub(super) async fn run(&self) -> Result<Report, Failure> {
        self.parent
            .impatient()?
            .unschedule(&self.schedule_id)
            .await?;
        let id = self.schedule_id.to_string();
        let text = format!("{id} is no longer scheduled");
        Ok(Report::new(json!({ "unscheduled": id }), text))
    }
}

const LIST_EXAMPLE: &str = "Example:
  sealsum round schedule --parent http://127.0.0.1:8480 --json";
const REMOVE_EXAMPLE: &str = "Example:
  sealsum round unschedule --parent http://127.0.0.1:8480 \\
      6ac3c336e4094835293a3fed8a4b5fedde1b5e2626d9838fed50693bba00af0e";
