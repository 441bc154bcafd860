//! `sealsum-attest policy add`: one more image or publisher, below what is there.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde_json::json;

use super::entry::Entry;
use crate::failure::Failure;
use crate::output::Report;
use crate::{file, policy_file};

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The policy
    file: PathBuf,
    #[command(flatten)]
    entry: Entry,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let mut text = file::read_text(&self.file)?;
        policy_file::check(&self.file, &text)?;
        let entry = self.entry.write()?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        // A table at the file's end belongs to nothing before it, and comments stay as they are.
        text.push_str(&entry.toml);
        let policy = policy_file::check(&self.file, &text)?;
        file::write(&self.file, text.as_bytes())?;
        let (images, publishers) = (policy.measurements().len(), policy.publishers().len());
        let warning = entry.warning.map(|warning| format!("\nnote     {warning}"));
        let text = format!(
            "added    {:?}\naccepts  {images} images, {publishers} publishers{}",
            entry.label,
            warning.unwrap_or_default()
        );
        let json = json!({
            "label": entry.label,
            "images": images,
            "publishers": publishers,
            "warning": entry.warning,
        });
        Ok(Report::new(json, text))
    }
}

const EXAMPLE: &str = "Example:
  sealsum-attest policy add policy.toml --from image.eif --label \"sealsum 0.2.0\"";
