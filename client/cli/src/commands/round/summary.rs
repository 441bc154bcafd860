//! `sealsum round status` and `round close`: a round in the parent's words.

use clap::Args as ClapArgs;
use sealsum_client::RoundSummary;
use sealsum_protocol::RoundId;
use sealsum_protocol::messages::Phase;

use super::super::parent::ParentAddress;
use crate::failure::Failure;
use crate::output::Report;
use crate::rfc3339;

#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(flatten)]
    parent: ParentAddress,
    /// The round
    round_id: RoundId,
}

impl Args {
    pub(super) async fn status(self) -> Result<Report, Failure> {
        report(&self.parent.impatient()?.round(&self.round_id).await?)
    }

    pub(super) async fn close(self) -> Result<Report, Failure> {
        report(&self.parent.impatient()?.close(&self.round_id).await?)
    }
}

/// Aborted and lost look alike from afar; what a data holder can do differs.
const fn what_it_means(phase: Phase) -> &'static str {
    match phase {
        Phase::Aborted => {
            ": nothing was released; `sealsum ledger refund` frees contributions by the abort receipt"
        }
        Phase::Lost => {
            ": its enclave is gone, with neither a receipt nor an abort receipt; contributions stay spent"
        }
        Phase::Collecting | Phase::Releasing | Phase::Released => "",
    }
}

/// A line on when it closes by itself, if it does and has not.
fn closes(summary: &RoundSummary) -> String {
    if summary.phase != Phase::Collecting {
        return String::new();
    }
    let target = summary
        .target_cohort
        .map(|target| format!("at {target} clients"));
    let time = summary
        .closes_at
        .map(|seconds| rfc3339::format(sealsum_protocol::UnixMillis(seconds.saturating_mul(1000))));
    match [target, time].into_iter().flatten().collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        reasons => format!("\ncloses    {}", reasons.join(" or ")),
    }
}

pub(super) fn report(summary: &RoundSummary) -> Result<Report, Failure> {
    // A stranger's texts, on a terminal.
    let printable = |text: &str| text.escape_debug().to_string();
    let cohort = summary.cohort_size.map_or_else(
        || format!("{} accepted", summary.contributions),
        |size| format!("{size} in the sum"),
    );
    let closes = closes(summary);
    let text = format!(
        "round     {}\ntask      {}, round {}\nphase     {}{}\nclients   {cohort} ({} to {})\nupdate    {} elements of {} bits, {}, {}, {}{closes}",
        printable(&summary.round_id),
        printable(&summary.task),
        summary.round_number,
        summary.phase,
        what_it_means(summary.phase),
        summary.min_cohort,
        summary.max_cohort,
        summary.dimension,
        summary.ring_bits,
        printable(&summary.intake),
        printable(&summary.kem),
        printable(&summary.rule),
    );
    let json =
        serde_json::to_value(summary).map_err(|error| Failure::refused("parent_answer", &error))?;
    Ok(Report::new(json, text))
}
