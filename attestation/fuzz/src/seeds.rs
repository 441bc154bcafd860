//! Inputs to begin with: the documents and questions of `vectors/attestation`, the real documents
//! of `attestation/testdata`, and made images.

use std::path::{Path, PathBuf};

use sealsum_eif::EnclaveImage;
use sealsum_eif::{Architecture, ImageContents, signature_section};
use sealsum_forge::{Document, NOW_MS, cbor};
use serde_json::Value;

use crate::round::BINDING;
use crate::signed::{CERTIFICATE, CHANGES, PAYLOAD, SOUND};
use crate::verifier::{ARCHIVE, BY_BINDING, CACHE, LENGTH, NAMED, OFFER};

/// One input and what it is called.
pub struct Seed {
    /// Letters, digits, `-` and `.`.
    pub name: String,
    /// The input.
    pub input: Vec<u8>,
}

pub(crate) fn document() -> Vec<Seed> {
    let mut files = files(&vectors().join("documents"));
    files.extend(self::files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata"),
    ));
    files
}

/// Each case of the index with its question, and a sound document for a round.
pub(crate) fn verifier() -> Vec<Seed> {
    let mut seeds: Vec<_> = cases()
        .iter()
        .zip(WAYS.iter().cycle())
        .map(|(case, ways)| {
            let document = std::fs::read(vectors().join(text(case, "file"))).expect("a document");
            seed(text(case, "name"), &[&asked(case, *ways), &document])
        })
        .collect();
    for (name, nonce) in [("alone", 3), ("among-three", 7), ("nowhere", 35)] {
        let document = Document::sound()
            .with("user_data", cbor::bytes(BINDING.round_id().as_bytes()))
            .bytes();
        let question = question([0, nonce, BY_BINDING, OFFER | ARCHIVE | CACHE], NOW_MS);
        seeds.push(seed(&format!("round-{name}"), &[&question, &document]));
    }
    seeds
}

/// The payload of each of the index's cases; what each sound certificate says; some changes.
pub(crate) fn signed() -> Vec<Seed> {
    let mut seeds: Vec<_> = cases()
        .iter()
        .zip(WAYS.iter().cycle())
        .filter_map(|(case, ways)| {
            let document = std::fs::read(vectors().join(text(case, "file"))).expect("a document");
            let document = crate::restated::Document::read(&document)?;
            Some(seed(
                text(case, "name"),
                &[&asked(case, *ways), &[PAYLOAD], &document.payload],
            ))
        })
        .collect();
    let round = question([0, 3, BY_BINDING, OFFER], NOW_MS);
    for (place, der) in SOUND.chain.iter().enumerate() {
        let place = u8::try_from(place).expect("five");
        let said = to_be_signed(der);
        seeds.push(seed(
            &format!("certificate-{place}"),
            &[&round, &[CERTIFICATE, place], said],
        ));
        for what in 0..12 {
            let changes = [CHANGES, 0, 0, place, what, 1, 2, 3, 4, 5, 6];
            seeds.push(seed(&format!("change-{place}-{what}"), &[&round, &changes]));
        }
    }
    for what in 0..9 {
        let changes = [CHANGES, 0, 2, what, 1, 2, 3, 4];
        seeds.push(seed(
            &format!("change-document-{what}"),
            &[&round, &changes],
        ));
    }
    for what in 0..3 {
        let changes = [CHANGES, 0, 1, what, 1, 2];
        seeds.push(seed(&format!("change-chain-{what}"), &[&round, &changes]));
    }
    for intermediates in 0..8 {
        let changes = [CHANGES, 1, intermediates];
        seeds.push(seed(&format!("tall-{intermediates}"), &[&round, &changes]));
    }
    seeds
}

pub(crate) fn eif() -> Vec<Seed> {
    let mut contents = ImageContents {
        architecture: Architecture::X86_64,
        default_memory: 1 << 28,
        default_cpus: 2,
        kernel: b"kernel",
        command_line: b"reboot=k panic=30",
        ramdisks: &[b"boot"],
        metadata: None,
        signature: None,
    };
    let plain = contents.write().expect("an image");
    contents.ramdisks = &[b"boot", b"application"];
    contents.metadata = Some(b"{\"ImageName\":\"made\",\"List\":[1,2.5,null,true]}");
    let full = contents.write().expect("an image");
    let pcr0 = EnclaveImage::parse(&full)
        .expect("just written")
        .measure()
        .pcr0;
    let section = signature_section(&pcr0, PEM, &[7; 96]);
    contents.signature = Some(&section);
    let signed = contents.write().expect("an image");
    [("plain", plain), ("metadata", full), ("signed", signed)]
        .map(|(name, image)| seed(name, &[&image]))
        .into()
}

pub(crate) fn eif_made() -> Vec<Seed> {
    let parts: &[u8] = b"\x06kernel\x08reboot=k\x04boot\x03app\x02{}";
    let numbers = [0, 0, 0, 0, 0x10, 0, 0, 0, 2];
    let mut seeds: Vec<_> = [0x00, 0x01, 0x05, 0x09, 0x25, 0x45, 0x65, 0xe9, 0x47]
        .into_iter()
        .map(|shape: u8| {
            let changes = [1, 0, 27, 5, 2, 2, 0x20, 1, 2, 0x30, 0];
            let name = format!("shape-{shape:02x}");
            seed(&name, &[&[shape], parts, &numbers, &changes])
        })
        .collect();
    // The certificate's array of integers declares 2^16, 2^32 or 2^64 of them, at most.
    let parts = &parts[..parts.len() - 3];
    for head in [0x99, 0x9a, 0x9b] {
        let changes = [1, 0, 22, head];
        let name = format!("declared-length-{head:02x}");
        seeds.push(seed(&name, &[&[0x65], parts, &numbers, &changes]));
    }
    seeds
}

fn seed(name: &str, parts: &[&[u8]]) -> Seed {
    Seed {
        name: name.to_owned(),
        input: parts.concat(),
    }
}

/// A case's question.
fn asked(case: &Value, ways: u8) -> [u8; LENGTH] {
    let policy = text(case, "policy");
    let policy = Path::new(policy).file_stem().expect("a file's name");
    let place = NAMED.iter().position(|(name, _)| policy == *name);
    let place = place.unwrap_or_else(|| panic!("{policy:?} is none of the policies"));
    let choices = [
        u8::try_from(place).expect("a few policies"),
        u8::from(!case["nonce"].is_null()),
        u8::from(!case["user_data"].is_null()),
        ways,
    ];
    question(choices, case["at_ms"].as_u64().expect("a time"))
}

fn question(choices: [u8; 4], at_ms: u64) -> [u8; LENGTH] {
    let mut question = [0; LENGTH];
    question[..4].copy_from_slice(&choices);
    question[4..].copy_from_slice(&at_ms.to_be_bytes());
    question
}

/// What the issuer signed: the first value within the certificate, whose own head has four bytes.
fn to_be_signed(der: &[u8]) -> &[u8] {
    let end = match der[5..8] {
        [0x81, length, _] => 7 + usize::from(length),
        [0x82, high, low] => 8 + usize::from(u16::from_be_bytes([high, low])),
        _ => panic!("a certificate of less than 128 bytes"),
    };
    &der[4..end]
}

fn cases() -> Vec<Value> {
    let index = std::fs::read_to_string(vectors().join("index.json")).expect("the index");
    let index: Value = serde_json::from_str(&index).expect("JSON");
    index["cases"].as_array().expect("cases").clone()
}

fn text<'v>(case: &'v Value, key: &str) -> &'v str {
    case[key].as_str().expect("text")
}

fn files(folder: &Path) -> Vec<Seed> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "cbor")
    });
    paths.sort();
    paths
        .into_iter()
        .map(|path| Seed {
            input: std::fs::read(&path).expect("a document"),
            name: path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
        })
        .collect()
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/attestation")
}

/// One after another, since each takes its time.
const WAYS: [u8; 4] = [0, OFFER, ARCHIVE, CACHE];

/// Three bytes stand for a certificate.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
