//! What a policy is given: an image's measurement, or a publisher, as a table of TOML.

use core::fmt::Write as _;
use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs};
use sealsum_attestation::PcrIndex;

use super::source::Source;
use crate::failure::Failure;

#[derive(ClapArgs)]
#[command(group = ArgGroup::new("accepted").required(true).args(["from", "publisher"]))]
pub(super) struct Entry {
    /// Take the measurement from an enclave image, a document, or measurements.json
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Accept what this publisher endorses: its key, 64 hexadecimal digits
    #[arg(long, value_name = "KEY")]
    publisher: Option<String>,
    /// The image's or publisher's name in verdicts; else the file's name
    #[arg(long)]
    label: Option<String>,
    /// Expect this register as well: 3 (IAM role), 4 (instance) or 8 (signer)
    #[arg(long, value_name = "INDEX", requires = "from", value_parser = clap::value_parser!(u64).range(3..=8))]
    pcr: Vec<u64>,
    /// The least version that the publisher's endorsements count for
    #[arg(long, value_name = "VERSION", requires = "publisher")]
    min_version: Option<String>,
}

/// An entry as TOML, and what to say of it.
pub(super) struct Written {
    pub(super) toml: String,
    pub(super) label: String,
    pub(super) warning: Option<&'static str>,
}

impl Entry {
    pub(super) fn write(&self) -> Result<Written, Failure> {
        match (&self.from, &self.publisher) {
            (Some(path), _) => self.measurement(&Source::read(path)?),
            (None, Some(key)) => Ok(self.publisher(key)),
            (None, None) => Err(Failure::usage(&"one of --from and --publisher is needed")),
        }
    }

    fn measurement(&self, source: &Source) -> Result<Written, Failure> {
        let label = self.label.clone().unwrap_or_else(|| source.name.clone());
        let mut toml = format!(
            "\n[[measurement]]               # {}\nlabel = {}\n",
            source.kind,
            quoted(&label)
        );
        let mut line = |index: PcrIndex| -> Result<(), Failure> {
            let digits = source.register(index).ok_or_else(|| {
                let detail = format!("{} says nothing of {index}", source.name);
                Failure::configuration("no_such_register", &detail)
            })?;
            let _ = writeln!(toml, "pcr{} = \"{digits}\"", index.value());
            Ok(())
        };
        for index in [PcrIndex::IMAGE, PcrIndex::KERNEL, PcrIndex::APPLICATION] {
            line(index)?;
        }
        for further in [PcrIndex::IAM_ROLE, PcrIndex::INSTANCE_ID, PcrIndex::SIGNER] {
            if self.pcr.contains(&u64::from(further.value())) {
                line(further)?;
            }
        }
        let known = |index: &u64| [3, 4, 8].contains(index);
        if let Some(index) = self.pcr.iter().find(|index| !known(index)) {
            let detail = format!("--pcr {index}: expected 3, 4 or 8");
            return Err(Failure::usage(&detail));
        }
        Ok(Written {
            toml,
            label,
            warning: source.warning,
        })
    }

    fn publisher(&self, key: &str) -> Written {
        let label = self.label.clone().unwrap_or_else(|| "publisher".to_owned());
        let mut toml = format!(
            "\n[[publisher]]                 # whose endorsements are accepted\nlabel = {}\nkey = {}\n",
            quoted(&label),
            quoted(key)
        );
        match &self.min_version {
            Some(version) => {
                let _ = writeln!(toml, "min_version = {}", quoted(version));
            }
            None => toml.push_str("# min_version = \"0.1.0\"       # older releases are refused\n"),
        }
        toml.push_str("revoked = []                  # PCR0 of images that count no more\n");
        Written {
            toml,
            label,
            warning: None,
        }
    }
}

/// A string of TOML, which takes JSON's escapes but for DEL's neighbours, which JSON sends raw.
pub(super) fn quoted(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    serde_json::Value::from(plain).to_string()
}
