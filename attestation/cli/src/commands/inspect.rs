//! `sealsum-attest inspect`: all that a document says, without believing any of it.

mod certificate;

use core::fmt::Write as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use sealsum_attestation::{PcrIndex, UnverifiedDocument};
use serde_json::{Map, Value, json};

use crate::document::Document;
use crate::failure::Failure;
use crate::output::Report;
use crate::time::shown;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The document: raw, base64 or hexadecimal, a file or `-` for standard input; or a round's
    /// evidence or offer
    #[arg(value_name = "DOC")]
    document: PathBuf,
}

impl Args {
    pub(crate) fn run(self) -> Result<Report, Failure> {
        let unwrapped = Document::read(&self.document)?;
        let document = UnverifiedDocument::parse(&unwrapped.bytes)
            .map_err(|rejection| Failure::refused(rejection.code(), &rejection))?;
        let chain: Vec<_> = document
            .cabundle()
            .iter()
            .map(Vec::as_slice)
            .chain([document.certificate()])
            .map(certificate::Shown::of)
            .collect();
        let mut json = facts(&document);
        json["verified"] = false.into();
        json["chain"] = chain.iter().map(certificate::Shown::json).collect();
        let mut text = String::from(UNVERIFIED);
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<12} {value}");
        };
        line("enclave", &format!("{:?}", document.module_id()));
        line("instance", &instance(&document));
        line("signed", &shown(document.timestamp()));
        line("mode", mode(&document));
        for (name, value) in optional_fields(&document) {
            line(name, &described(value));
        }
        if let Some(binding) = &unwrapped.binding {
            let round_id = binding.round_id().to_string();
            json["round_id"] = round_id.as_str().into();
            line(
                "round",
                &format!("{round_id}, by the binding that came with it"),
            );
        }
        text.push('\n');
        let mut unused = Vec::new();
        for (index, pcr) in document.measurement().iter() {
            if pcr.is_zero() && !is_image(index) {
                unused.push(index.to_string());
            } else {
                let name = index.to_string();
                let _ = writeln!(text, "{name:<6} {pcr}  {}", meaning(index));
            }
        }
        if !unused.is_empty() {
            let _ = writeln!(text, "zero   {}", unused.join(", "));
        }
        text.push_str("\nchain, root first\n");
        for certificate in &chain {
            let _ = writeln!(text, "  {}", certificate.text());
        }
        Ok(Report::new(json, text))
    }
}

/// What a document says, for scripts.
pub(super) fn facts(document: &UnverifiedDocument) -> Value {
    let registers: Map<_, _> = document
        .measurement()
        .iter()
        .map(|(index, pcr)| (format!("PCR{}", index.value()), pcr.to_string().into()))
        .collect();
    let mut facts = json!({
        "module_id": document.module_id(),
        "instance_id": document.instance_id(),
        "pcr4_agrees": document.pcr4_agrees(),
        "timestamp": shown(document.timestamp()),
        "timestamp_ms": document.timestamp().0,
        "debug": document.measurement().zero_image_register().is_some(),
        "pcrs": registers,
    });
    for (name, value) in optional_fields(document) {
        facts[name] = value.map(hex::encode).into();
    }
    facts
}

fn optional_fields(document: &UnverifiedDocument) -> [(&'static str, Option<&[u8]>); 3] {
    [
        ("public_key", document.public_key()),
        ("user_data", document.user_data()),
        ("nonce", document.nonce()),
    ]
}

fn described(value: Option<&[u8]>) -> String {
    match value {
        None => "null".to_owned(),
        Some([]) => "empty".to_owned(),
        Some(bytes) => format!("{} ({} bytes)", hex::encode(bytes), bytes.len()),
    }
}

fn instance(document: &UnverifiedDocument) -> String {
    let id = document
        .instance_id()
        .unwrap_or("not to be read off the enclave's id");
    match document.pcr4_agrees() {
        Some(true) => format!("{id:?}, and PCR4 agrees"),
        Some(false) => format!("{id:?}, but PCR4 is not that of this id"),
        None => format!("{id:?}, without a PCR4 to compare"),
    }
}

fn mode(document: &UnverifiedDocument) -> &'static str {
    match document.measurement().zero_image_register() {
        Some(_) => "DEBUG: the host can read this enclave",
        None => "production",
    }
}

fn is_image(index: PcrIndex) -> bool {
    [PcrIndex::IMAGE, PcrIndex::KERNEL, PcrIndex::APPLICATION].contains(&index)
}

fn meaning(index: PcrIndex) -> &'static str {
    match index {
        PcrIndex::IMAGE => "the image: kernel, command line, every ramdisk",
        PcrIndex::KERNEL => "kernel, command line, first ramdisk",
        PcrIndex::APPLICATION => "the application: every other ramdisk",
        PcrIndex::IAM_ROLE => "the parent instance's IAM role",
        PcrIndex::INSTANCE_ID => "the parent instance's id",
        PcrIndex::SIGNER => "the image's signing certificate",
        index if index.value() < 16 => "reserved by AWS",
        _ => "extended by the enclave itself",
    }
}

const UNVERIFIED: &str =
    "UNVERIFIED: anybody can write such a document; `sealsum-attest verify` judges it\n\n";

const EXAMPLE: &str = "Examples:
  sealsum-attest inspect document.cbor
  sealsum-attest inspect document.cbor --json";
