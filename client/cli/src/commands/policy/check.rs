//! `sealsum policy check`: whether a policy is complete, consistent and consented to.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_client::RoundPolicy;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Report, trust_line};

#[derive(ClapArgs)]
#[command(after_help = "Example:\n  sealsum policy check clinic.toml")]
pub(crate) struct Args {
    /// The policy
    file: PathBuf,
}

impl Args {
    pub(super) fn run(self) -> Result<Report, Failure> {
        let policy = RoundPolicy::load(&self.file)?;
        let terms = policy.terms();
        let trust = policy.appraisal().trust();
        let tasks: Vec<_> = terms.tasks.iter().map(ToString::to_string).collect();
        let images: Vec<_> = policy
            .appraisal()
            .measurements()
            .iter()
            .map(|image| image.label().to_owned())
            .collect();
        let text = format!(
            "complete and consistent\ntasks   {}\nimages  {}\n{}",
            tasks.join(", "),
            images.join(", "),
            trust_line(trust)
        );
        let json = json!({
            "valid": true,
            "tasks": tasks,
            "images": images,
            "min_cohort": terms.min_cohort,
            "budget": terms.budget.contributions,
            "consents": terms.consent,
            "trust": trust.as_str(),
        });
        Ok(Report::new(json, text))
    }
}
