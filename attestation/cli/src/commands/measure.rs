//! `sealsum-attest measure`: what an enclave image measures to.

use core::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use sealsum_eif::{EnclaveImage, ImageMeasurement, ImageSignature};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::failure::Failure;
use crate::file;
use crate::output::Report;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The image, an EIF of version 4
    image: PathBuf,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let bytes = file::read(&self.image, file::IMAGE_LIMIT)?;
        let (image, signature) = parse(&self.image, &bytes)?;
        let registers = registers(&image.measure());
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let sections: Vec<Value> = image
            .sections()
            .iter()
            .map(|section| {
                json!({
                    "kind": section.kind.as_str(),
                    "offset": section.offset,
                    "bytes": section.data.len(),
                    "sha256": hex::encode(Sha256::digest(section.data)),
                })
            })
            .collect();
        let command_line = String::from_utf8_lossy(image.command_line());
        let command_line = command_line.trim_end_matches('\0');
        let mut json = json!({
            "eif_sha256": sha256,
            "architecture": image.architecture().as_str(),
            "default_memory_bytes": image.default_memory(),
            "default_cpus": image.default_cpus(),
            "cmdline": command_line,
            "sections": sections,
            "signature": signature.map(Checked::as_str),
            "metadata": image.metadata(),
        });
        let mut text = String::new();
        for (name, value) in &registers {
            json[*name] = value.as_str().into();
            let _ = writeln!(text, "{name:<9}  {value}");
        }
        let _ = writeln!(text, "file       SHA-256 {sha256}");
        if let Some(signature) = signature {
            let _ = writeln!(text, "signature  over this PCR0, {}", signature.as_str());
        }
        let architecture = image.architecture().as_str();
        let _ = writeln!(text, "for        {architecture}");
        let _ = writeln!(text, "cmdline    {command_line:?}");
        for section in image.sections() {
            let (kind, offset) = (section.kind.as_str(), section.offset);
            let bytes = section.data.len();
            let _ = writeln!(text, "section    {kind} of {bytes} bytes at {offset}");
        }
        if let Some(metadata) = image.metadata() {
            let _ = writeln!(text, "metadata   {metadata} (not measured)");
        }
        Ok(Report::new(json, text))
    }
}

/// Reads an image, and checks its signature if it has one: whoever takes values from an image
/// takes them from none that only looks signed.
pub(super) fn parse<'b>(
    path: &Path,
    bytes: &'b [u8],
) -> Result<(EnclaveImage<'b>, Option<Checked>), Failure> {
    let image = EnclaveImage::parse(bytes)
        .map_err(|error| Failure::refused(error.code(), &format!("{}: {error}", path.display())))?;
    let signature = image.signature().map(check_signature).transpose()?;
    Ok((image, signature))
}

/// The registers that an image fills, in hexadecimal.
pub(super) fn registers(measurement: &ImageMeasurement) -> Vec<(&'static str, String)> {
    let signer = measurement.pcr8.map(|pcr8| ("PCR8", pcr8));
    [
        ("PCR0", measurement.pcr0),
        ("PCR1", measurement.pcr1),
        ("PCR2", measurement.pcr2),
    ]
    .into_iter()
    .chain(signer)
    .map(|(name, pcr)| (name, hex::encode(pcr)))
    .collect()
}

/// What came of an image's signature.
#[derive(Clone, Copy)]
pub(super) enum Checked {
    Verified,
    /// Of a curve that is not read here.
    NotChecked,
}

impl Checked {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::NotChecked => "not-checked",
        }
    }
}

/// The hypervisor boots no image whose signature does not verify, so there is no PCR8 for it.
fn check_signature(signature: &ImageSignature) -> Result<Checked, Failure> {
    let unreadable = || {
        Failure::refused(
            "image-signature-certificate",
            &"the signing certificate can't be read; sign the image again",
        )
    };
    let (rest, certificate) =
        X509Certificate::from_der(signature.certificate()).map_err(|_| unreadable())?;
    // They would count into PCR8, and no one else would see them.
    if !rest.is_empty() {
        return Err(Failure::refused(
            "image-signature-certificate",
            &format!(
                "{} bytes stand behind the signing certificate; sign the image again",
                rest.len()
            ),
        ));
    }
    let key = certificate.public_key().subject_public_key.data.as_ref();
    let verified = match (signature.protected_header(), key.len()) {
        (ES384, 97) => UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key),
        (ES256, 65) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key),
        (ES512, 133) => return Ok(Checked::NotChecked),
        (header, length) => {
            return Err(Failure::refused(
                "image-signature",
                &format!(
                    "the signature's header {} is not for its certificate's key of {length} bytes, so the image will not boot; sign it again",
                    hex::encode(header)
                ),
            ));
        }
    }
    .verify(&signature.to_be_signed(), signature.signature());
    match verified {
        Ok(()) => Ok(Checked::Verified),
        Err(_) => Err(Failure::refused(
            "image-signature",
            &"the image's signature does not verify under its certificate, so the image will not boot; sign it again",
        )),
    }
}

/// `{1: -35}`, `{1: -7}` and `{1: -36}` (RFC 9053, section 2.1).
const ES384: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
const ES256: &[u8] = &[0xa1, 0x01, 0x26];
const ES512: &[u8] = &[0xa1, 0x01, 0x38, 0x23];

const EXAMPLE: &str = "Examples:
  sealsum-attest measure image.eif
  sealsum-attest measure image.eif --json";
