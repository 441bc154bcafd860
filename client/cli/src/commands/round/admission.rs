//! Whom a round admits: anyone, or a registry's keys, with an authority's word for them.

use std::path::Path;

use sealsum_client::{RegistryFile, system_clock};
use sealsum_protocol::{Admission, RegistryGrant, TaskName};

use super::super::file;
use crate::failure::Failure;
use crate::rfc3339;

/// `open`, or a registry's file. What clients would refuse is refused here already.
pub(super) fn admission(
    wanted: &Path,
    grant: Option<&Path>,
    task: &TaskName,
    min_cohort: u32,
) -> Result<Admission, Failure> {
    if wanted == Path::new("open") {
        return match grant {
            None => Ok(Admission::Open),
            Some(_) => Err(Failure::usage(
                "--grant is for a registry: --admission FILE",
            )),
        };
    }
    let file = RegistryFile::read(wanted)?;
    let (root, size) = (file.registry().root(), file.registry().size());
    if size < min_cohort.into() {
        let detail = format!(
            "the registry has {size} keys, fewer than --min-cohort {min_cohort}: the round could never be released"
        );
        return Err(Failure::configuration("registry_small", &detail));
    }
    let grant: Option<RegistryGrant> = grant
        .map(|path| file::read_message(path, &file::Expected::GRANT))
        .transpose()?;
    if let Some(grant) = &grant {
        let vouched = grant.verify(task, &root, size);
        vouched.map_err(|_| {
            let detail = format!(
                "the grant is not for task {} and the registry {root} of {size} keys as it is now: `sealsum registry grant` makes one",
                task.as_str()
            );
            Failure::configuration("grant", &detail)
        })?;
        if grant.not_after < system_clock() {
            let detail = format!("the grant ended at {}", rfc3339::format(grant.not_after));
            return Err(Failure::configuration("grant_expired", &detail));
        }
    }
    Ok(Admission::Registry { root, size, grant })
}
