//! `sealsum registry grant`: an authority's word for a registry, as a file for the operator.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_client::{RegistryFile, authority, system_clock};
use sealsum_protocol::{RegistryGrant, TaskName, canonical};
use serde_json::json;

use super::super::file;
use super::not_after::NotAfter;
use crate::failure::Failure;
use crate::output::Report;
use crate::rfc3339;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The authority's key file
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// The registry
    #[arg(long, value_name = "FILE")]
    registry: PathBuf,
    /// The task that it is for
    #[arg(long, value_name = "NAME")]
    task: TaskName,
    /// Counts the task's registries: clients refuse one below any that they have seen
    #[arg(long, value_name = "N")]
    epoch: u64,
    /// Until when: a number of days from now, or a time like 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    not_after: NotAfter,
    /// The file to write; never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Args {
    pub(super) fn run(self) -> Result<Report, Failure> {
        file::refuse_existing(&self.out)?;
        let signer = authority::load(&self.authority)?;
        let file = RegistryFile::read(&self.registry)?;
        let (root, size) = (file.registry().root(), file.registry().size());
        let now = system_clock();
        let not_after = self.not_after.from(now);
        if not_after < now {
            return Err(Failure::usage("--not-after is in the past"));
        }
        let grant = RegistryGrant::sign(&signer, &self.task, self.epoch, &root, size, not_after);
        file::write(&self.out, &canonical::encode(&grant))?;
        let json = json!({
            "grant": self.out.display().to_string(),
            "authority_key": grant.authority.to_string(),
            "task": self.task.as_str(),
            "epoch": self.epoch,
            "root": root.to_string(),
            "size": size,
            "not_after": not_after.0,
        });
        let text = format!(
            "wrote {}: registry {root} of {size} keys, task {}, epoch {}, until {}",
            self.out.display(),
            self.task.as_str(),
            self.epoch,
            rfc3339::format(not_after)
        );
        Ok(Report::new(json, text))
    }
}

const EXAMPLE: &str = "Example:
  sealsum registry grant --authority authority.key --registry sites.txt --task wards \\
      --epoch 1 --not-after 90 --out sites.grant";
