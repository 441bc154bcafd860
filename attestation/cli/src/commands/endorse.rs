//! `sealsum-attest endorse`: a publisher's word for an image.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_attestation::{Endorsement, MeasuredBuild};
use serde_json::json;

use super::measure;
use crate::failure::Failure;
use crate::output::Report;
use crate::time::{self, Time, shown};
use crate::{file, key_file};

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// What the image's build measured: measurements.json
    #[arg(long, value_name = "FILE")]
    measurements: PathBuf,
    /// The publisher's key, as `publisher new` makes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The last moment at which the endorsement counts, RFC 3339 or Unix milliseconds
    #[arg(long, value_name = "TIME")]
    not_after: Time,
    /// Also measure this image, and endorse it only if it is the one of --measurements
    #[arg(long, value_name = "EIF")]
    image: Option<PathBuf>,
    /// Where to write the endorsement
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        file::refuse_existing(&self.out)?;
        let Time(not_after) = self.not_after;
        if not_after <= time::now() {
            let detail = format!("--not-after {} has passed already", shown(not_after));
            return Err(Failure::usage(&detail));
        }
        let build = MeasuredBuild::parse(&file::read_text(&self.measurements)?)
            .map_err(|error| Failure::content("measurements", &self.measurements, &error))?;
        self.compare_image(&build)?;
        let signer = key_file::read(&self.key)?;
        let endorsement = Endorsement::sign(&signer, build, not_after);
        file::write(&self.out, (endorsement.to_json() + "\n").as_bytes())?;
        let out = self.out.display().to_string();
        let version = endorsement.build().version().to_string();
        let publisher = endorsement.publisher().to_string();
        let text = format!(
            "endorsed   version {version} until {}\npublisher  {publisher}\nwritten    {out}",
            shown(not_after)
        );
        let json = json!({
            "version": version,
            "publisher": publisher,
            "not_after": shown(not_after),
            "not_after_ms": not_after.0,
            "out": out,
        });
        Ok(Report::new(json, text))
    }

    fn compare_image(&self, build: &MeasuredBuild) -> Result<(), Failure> {
        let Some(path) = &self.image else {
            return Ok(());
        };
        let bytes = file::read(path, file::IMAGE_LIMIT)?;
        let measured = measure::parse(path, &bytes)?.0.measure();
        let said = build
            .image()
            .iter()
            .map(|(index, pcr)| (index.to_string(), *pcr.as_bytes()))
            .chain(
                build
                    .signer()
                    .map(|pcr| ("PCR8".to_owned(), *pcr.as_bytes())),
            );
        let said: Vec<_> = said.map(|(name, pcr)| (name, hex::encode(pcr))).collect();
        let found = measure::registers(&measured);
        let same = said.len() == found.len()
            && said
                .iter()
                .zip(&found)
                .all(|(said, found)| said.0 == found.0 && said.1 == found.1);
        if same {
            return Ok(());
        }
        let words = |registers: Vec<String>| registers.join(", ");
        let detail = format!(
            "{} measures to {}, but the measurements say {}: nothing was endorsed; build or measure again",
            path.display(),
            words(
                found
                    .iter()
                    .map(|(name, pcr)| format!("{name} {pcr}"))
                    .collect()
            ),
            words(
                said.iter()
                    .map(|(name, pcr)| format!("{name} {pcr}"))
                    .collect()
            ),
        );
        Err(Failure::refused("another_image", &detail))
    }
}

const EXAMPLE: &str = "Example:
  sealsum-attest endorse --measurements measurements.json --image image.eif \\
      --key publisher.key --not-after 2099-01-01T00:00:00Z --out new.json";
