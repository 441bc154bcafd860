//! Where a measurement is taken from: an image, a document, or a build's record.

use std::collections::BTreeMap;
use std::path::Path;

use sealsum_attestation::{MeasuredBuild, PcrIndex, UnverifiedDocument};

use super::super::measure;
use crate::document::Document;
use crate::failure::Failure;
use crate::file;

/// A measurement and its origin.
pub(super) struct Source {
    /// For the policy's comment.
    pub(super) kind: &'static str,
    /// A name for the image.
    pub(super) name: String,
    /// Why the values may not be believed as they are.
    pub(super) warning: Option<&'static str>,
    registers: BTreeMap<u8, String>,
}

impl Source {
    /// Reads whichever it is: an image begins with `.eif`, a record with a brace.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = file::read(path, file::IMAGE_LIMIT)?;
        let name = path.file_stem().map_or_else(
            || "image".to_owned(),
            |stem| stem.to_string_lossy().into_owned(),
        );
        if bytes.starts_with(&sealsum_eif::MAGIC) {
            return Self::image(path, &bytes, name);
        }
        match bytes.trim_ascii_start().first() {
            Some(b'{') => Self::build(path, &bytes),
            _ => Self::document(path, bytes, name),
        }
    }

    pub(super) fn register(&self, index: PcrIndex) -> Option<&str> {
        self.registers.get(&index.value()).map(String::as_str)
    }

    fn image(path: &Path, bytes: &[u8], name: String) -> Result<Self, Failure> {
        let (image, signature) = measure::parse(path, bytes)?;
        let measured = image.measure();
        let mut registers: BTreeMap<_, _> =
            [(0, measured.pcr0), (1, measured.pcr1), (2, measured.pcr2)]
                .map(|(index, pcr)| (index, hex::encode(pcr)))
                .into();
        if let Some(pcr8) = measured.pcr8 {
            registers.insert(8, hex::encode(pcr8));
        }
        Ok(Self {
            kind: "measured from an image",
            name,
            warning: matches!(signature, Some(measure::Checked::NotChecked)).then_some(
                "the image's signature is of a curve that is not read here, and was not checked",
            ),
            registers,
        })
    }

    fn build(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let invalid = |error: &dyn std::fmt::Display| Failure::content("measurements", path, error);
        let json = core::str::from_utf8(bytes).map_err(|error| invalid(&error))?;
        let build = MeasuredBuild::parse(json).map_err(|error| invalid(&error))?;
        let signer = build.signer().map(|pcr| (PcrIndex::SIGNER, *pcr));
        let registers = build.image().iter().copied().chain(signer);
        Ok(Self {
            kind: "from a build's record",
            name: format!("version {}", build.version()),
            warning: Some("the values are the builder's word: build the same commit, and compare"),
            registers: registers
                .map(|(index, pcr)| (index.value(), pcr.to_string()))
                .collect(),
        })
    }

    fn document(path: &Path, bytes: Vec<u8>, name: String) -> Result<Self, Failure> {
        let document = UnverifiedDocument::parse(&Document::unwrap(bytes).bytes).map_err(|error| {
            let detail = format!(
                "{} is no enclave image, no measurements.json, and no attestation document: {error}",
                path.display()
            );
            Failure::refused(error.code(), &detail)
        })?;
        if let Some(register) = document.measurement().zero_image_register() {
            let detail = format!(
                "{}: {register} is all zero, as in debug mode, which hides what runs; take the values from the image's build",
                path.display()
            );
            return Err(Failure::refused("debug-mode", &detail));
        }
        Ok(Self {
            kind: "from a document that was not verified",
            name,
            warning: Some(
                "the values come from a document that nobody verified: compare them with the image's build",
            ),
            registers: document
                .measurement()
                .iter()
                .map(|(index, pcr)| (index.value(), pcr.to_string()))
                .collect(),
        })
    }
}
