//! `measurements.json`: what an image was built from and what it measures to, in the form that
//! `sealsum-attest endorse` signs and `sealsum-attest policy new --from` reads.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use sealsum_eif::ImageMeasurement;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::workspace::{self, output};

/// A build's record. The registers are empty until [`Record::finish`].
pub(crate) struct Record {
    version: String,
    commit: String,
    registers: Vec<(&'static str, String)>,
    eif_sha256: String,
    lock_file_sha256: String,
    kernel_sha256: String,
    compilers: BTreeMap<&'static str, String>,
}

impl Record {
    pub(super) fn begin(root: &Path, kernel: &[u8]) -> Result<Self> {
        let lock_file = super::read(root.join("enclave/nitro/Cargo.lock"))?;
        Ok(Self {
            version: version(root)?,
            commit: commit(root)?,
            registers: Vec::new(),
            eif_sha256: String::new(),
            lock_file_sha256: sha256(&lock_file),
            kernel_sha256: sha256(kernel),
            compilers: compilers(root)?,
        })
    }

    pub(super) fn finish(&mut self, measured: &ImageMeasurement, image: &[u8]) {
        let signer = measured.pcr8.map(|pcr8| ("PCR8", pcr8));
        self.registers = [
            ("PCR0", measured.pcr0),
            ("PCR1", measured.pcr1),
            ("PCR2", measured.pcr2),
        ]
        .into_iter()
        .chain(signer)
        .map(|(name, pcr)| (name, hex::encode(pcr)))
        .collect();
        self.eif_sha256 = sha256(image);
    }

    /// Names and values, in lower-case hexadecimal.
    pub(crate) fn registers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.registers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether something that goes into the image differs from every commit.
    pub(crate) fn is_of_no_commit(&self) -> bool {
        self.commit == NO_COMMIT
    }

    /// What stands in the image itself, unmeasured: it names its source.
    pub(super) fn metadata(&self) -> String {
        json!({"ImageName": "sealsum", "ImageVersion": self.version, "Commit": self.commit})
            .to_string()
    }

    pub(super) fn to_json(&self) -> Result<String> {
        let mut record = Map::new();
        let mut set = |name: &str, value: &str| record.insert(name.to_owned(), value.into());
        set("version", &self.version);
        set("commit", &self.commit);
        for (name, value) in &self.registers {
            set(name, value);
        }
        set("eif_sha256", &self.eif_sha256);
        set("lock_file_sha256", &self.lock_file_sha256);
        set("kernel_sha256", &self.kernel_sha256);
        record.insert("compilers".to_owned(), json!(self.compilers));
        let mut text = serde_json::to_string_pretty(&Value::Object(record))?;
        text.push('\n');
        Ok(text)
    }
}

/// The program's own version, from its manifest.
fn version(root: &Path) -> Result<String> {
    let metadata = output(
        workspace::cargo()
            .args([
                "metadata",
                "--no-deps",
                "--format-version",
                "1",
                "--manifest-path",
            ])
            .arg(root.join("enclave/nitro/Cargo.toml")),
    )?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let version = metadata["packages"][0]["version"].as_str();
    Ok(version
        .context("cargo metadata names no version")?
        .to_owned())
}

/// The commit, if everything that goes into the image is in it.
fn commit(root: &Path) -> Result<String> {
    let git = |arguments: &[&str]| output(Command::new("git").current_dir(root).args(arguments));
    let mut changes = vec!["status", "--porcelain", "--"];
    changes.extend(INGREDIENTS.iter().chain(&TOOLS));
    if !git(&changes)?.trim().is_empty() {
        return Ok(NO_COMMIT.to_owned());
    }
    Ok(git(&["rev-parse", "HEAD"])?.trim().to_owned())
}

/// Whatever turned text into the program's bytes. The C library is linked in.
fn compilers(root: &Path) -> Result<BTreeMap<&'static str, String>> {
    let first_line = |program: &str, argument: &str| -> Result<String> {
        let text = output(Command::new(program).current_dir(root).arg(argument))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    Ok(BTreeMap::from([
        ("rustc", first_line("rustc", "--version")?),
        ("cc", first_line("cc", "--version")?),
        ("ld", first_line("ld", "--version")?),
        ("libc", first_line("ldd", "--version")?),
    ]))
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What an image is made from; the root's manifest names versions for the others.
pub(super) const INGREDIENTS: [&str; 5] = [
    "protocol",
    "enclave/core",
    "enclave/nitro",
    "enclave/image",
    "Cargo.toml",
];

/// What puts them together.
const TOOLS: [&str; 5] = [
    "xtask/src/image",
    "xtask/src/emulator",
    "attestation/eif",
    ".cargo",
    "Cargo.lock",
];

/// Well-formed, and of no commit.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";
