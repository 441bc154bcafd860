//! `sealsum-attest policy check`: whether a policy can be used, and what it accepts.

use core::fmt::Write as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Report, trust_line};
use crate::policy_file;

#[derive(ClapArgs)]
#[command(after_help = "Example:\n  sealsum-attest policy check policy.toml")]
pub(crate) struct Args {
    /// The policy
    file: PathBuf,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let policy = policy_file::load(&self.file)?;
        let mut text = String::from("complete and consistent\n");
        for image in policy.measurements() {
            let registers: Vec<_> = image
                .expected()
                .map(|(index, _)| index.to_string())
                .collect();
            let _ = writeln!(
                text,
                "image      {:?}: {}",
                image.label(),
                registers.join(", ")
            );
        }
        for publisher in policy.publishers() {
            let least = publisher
                .min_version()
                .map_or("any version".to_owned(), |version| {
                    format!("from {version}")
                });
            let revoked = publisher.revoked().len();
            let _ = writeln!(
                text,
                "publisher  {:?}: {least}, {revoked} images revoked",
                publisher.label()
            );
        }
        let (age, skew) = (policy.max_age().as_secs(), policy.clock_skew().as_secs());
        let _ = writeln!(text, "age        {age} s at most, {skew} s of clock skew");
        let _ = writeln!(text, "root       SHA-256 {}", policy.root().fingerprint());
        if policy.allows_debug() {
            text.push_str("debug      LET THROUGH: the host can read such enclaves\n");
        }
        text.push_str(&trust_line(policy.trust()));
        let labels =
            |labels: &mut dyn Iterator<Item = &str>| labels.map(str::to_owned).collect::<Vec<_>>();
        let json = json!({
            "valid": true,
            "trust": policy.trust().as_str(),
            "root_sha256": policy.root().fingerprint().to_string(),
            "images": labels(&mut policy.measurements().iter().map(|image| image.label())),
            "publishers": labels(&mut policy.publishers().iter().map(|publisher| publisher.label())),
            "max_age_seconds": age,
            "clock_skew_seconds": skew,
            "allow_debug": policy.allows_debug(),
        });
        Ok(Report::new(json, text))
    }
}
