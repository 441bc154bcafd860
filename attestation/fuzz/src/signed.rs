//! The target `signed`: as `verifier`, but the document is signed, and so are its certificates, by
//! keys of a made root. So changed payloads and chains reach the checks behind the signatures.
//!
//! An input is a question, a way of making the document, and what is changed.

use std::sync::LazyLock;

use sealsum_attestation::UnverifiedDocument;
use sealsum_forge::der::{
    DIGITAL_SIGNATURE, DIGITAL_SIGNATURE_AND_KEY_CERT_SIGN, ECDSA_WITH_SHA256, ECDSA_WITH_SHA384,
    KEY_CERT_SIGN, NON_REPUDIATION, P256, P384, algorithm, basic_constraints, ed25519_key_info,
    extended_key_usage, extension, key_usage, rsa_key_info, tlv,
};
use sealsum_forge::{Document, NOW_MS, Pki, cbor, pcrs};

use crate::choices::Choices;
use crate::round::BINDING;
use crate::verifier::Asked;

/// Makes and signs the document that `input` describes, and judges it as `verifier` does.
///
/// # Panics
/// If something does not hold which must.
pub fn signed(input: &[u8]) -> &'static str {
    let mut choices = Choices(input);
    let asked = Asked::from(&mut choices);
    let document = match choices.byte() % 3 {
        PAYLOAD => with_payload(choices.rest()),
        CERTIFICATE => with_certificate(&mut choices, asked.wants_round()),
        _ => with_changes(&mut choices, asked.wants_round()),
    };
    asked.judge(&document)
}

/// The rest of the input as payload.
fn with_payload(payload: &[u8]) -> Vec<u8> {
    let mut signed = SOUND.sign_nothing();
    signed.payload = cbor::bytes(payload);
    let unsigned = signed.bytes();
    // Signing is slow, and what is no document is refused before its signature is looked at.
    match UnverifiedDocument::parse(&unsigned) {
        Ok(_) => SOUND.document.sign(payload).bytes(),
        Err(_) => unsigned,
    }
}

/// The rest of the input as what one certificate says, signed by whoever signs it.
fn with_certificate(choices: &mut Choices<'_>, wants_round: bool) -> Vec<u8> {
    let place = usize::from(choices.byte()) % SOUND.chain.len();
    let said = choices.rest();
    let mut chain = SOUND.chain.clone();
    if u16::try_from(said.len()).is_ok_and(|length| length < 8192) {
        let signature = SOUND.pki.key(place.saturating_sub(1)).sign_der(said);
        let signature = tlv(0x03, &[&[0], &signature[..]]);
        let algorithm = algorithm(ECDSA_WITH_SHA384);
        chain[place] = tlv(0x30, &[said, &algorithm, &signature]);
    }
    let document = Document::with_chain(&SOUND.pki, &chain);
    vouching(document, wants_round).bytes()
}

/// The rest of the input as a row of changes to a sound document under a sound chain.
fn with_changes(choices: &mut Choices<'_>, wants_round: bool) -> Vec<u8> {
    let mut pki = SOUND.pki.clone();
    if choices.byte() % 8 == 1 {
        pki = Pki::tall(usize::from(choices.byte()) % 8);
    }
    let (mut to_chain, mut to_document) = (Vec::new(), Vec::new());
    let mut reissue = pki.certificates.len() != SOUND.chain.len();
    for _ in 0..MOST_CHANGES {
        if choices.is_empty() {
            break;
        }
        match choices.byte() % 3 {
            0 => {
                reissue = true;
                change_certificate(&mut pki, choices);
            }
            1 => to_chain.push(choices.number::<3>()),
            _ => to_document.push((choices.number::<2>(), choices.short())),
        }
    }
    let mut chain = if reissue {
        pki.issue()
    } else {
        SOUND.chain.clone()
    };
    for [what, one, other] in to_chain {
        let (one, other) = (
            usize::from(one) % chain.len(),
            usize::from(other) % chain.len(),
        );
        match what % 3 {
            0 => chain.swap(one, other),
            1 => chain.insert(one, chain[other].clone()),
            _ if chain.len() > 1 => drop(chain.remove(one)),
            _ => {}
        }
    }
    let mut document = vouching(Document::with_chain(&pki, &chain), wants_round);
    for ([what, with], bytes) in to_document {
        change_document(&mut document, what, with, bytes);
    }
    document.bytes()
}

fn change_certificate(pki: &mut Pki, choices: &mut Choices<'_>) {
    let place = usize::from(choices.byte()) % pki.certificates.len();
    let what = choices.byte() % 12;
    let count = pki.certificates.len();
    match what {
        0 => pki.take_key(place.min(4), &LOOK_ALIKE),
        1 => {
            let form = choices.byte();
            let info = match form % 5 {
                0 => pki.key_info(place, P384, compressed),
                1 => pki.key_info(place, P256, <[u8]>::to_vec),
                2 => pki.key_info(place, P384, |point| point[..96].to_vec()),
                3 => ed25519_key_info(),
                _ => rsa_key_info(),
            };
            pki.certificates[place].key_info = Some(info);
        }
        2 => pki.certificates[place].signer = usize::from(choices.byte()) % count,
        3 => {
            let [from, to] = [choices.one(TIMES), choices.one(TIMES)];
            pki.certificates[place].validity = [from, to];
        }
        4 => pki.certificates[place].issuer = choices.one(NAMES),
        5 => pki.certificates[place].subject = choices.one(NAMES),
        6 => pki.certificates[place].version = choices.short().to_vec(),
        7 => pki.certificates[place].trailing = choices.short().to_vec(),
        8 => {
            let both = choices.byte();
            let other = algorithm(ECDSA_WITH_SHA256);
            if both & 1 == 1 {
                pki.certificates[place].inner_algorithm.clone_from(&other);
            }
            if both & 2 == 2 {
                pki.certificates[place].outer_algorithm = other;
            }
        }
        9 => pki.certificates[place].unique_id = choices.short().to_vec(),
        _ => {
            let extensions = &mut pki.certificates[place].extensions;
            let at = usize::from(choices.byte()) % (extensions.len() + 1);
            let new = made_extension(choices);
            match (choices.byte() % 3, extensions.get_mut(at)) {
                (0, Some(old)) => *old = new,
                (1, Some(_)) => drop(extensions.remove(at)),
                _ => extensions.insert(at, new),
            }
        }
    }
}

fn made_extension(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.byte() % 5 {
        0 => {
            let length = choices.byte();
            basic_constraints(choices.flag(), (length != 255).then_some(length))
        }
        1 => key_usage(choices.flag(), choices.one(USAGES)),
        2 => extended_key_usage(),
        3 => {
            let id = choices.one(EXTENSIONS);
            extension(id, choices.flag(), choices.short())
        }
        _ => choices.short().to_vec(),
    }
}

fn change_document(document: &mut Document, what: u8, with: u8, bytes: &[u8]) {
    let number = bytes.iter().fold(0_u64, |sum, b| sum << 8 | u64::from(*b));
    match what % 9 {
        0 => document.open = with & 1 == 1,
        1 => {
            document.head = if with & 1 == 1 {
                vec![0xd2, 0x84]
            } else {
                bytes.to_vec()
            }
        }
        2 => {
            let key = usize::from(with) % document.entries.len().max(1);
            if let Some(entry) = document.entries.get_mut(key) {
                entry.1 = cbor::bytes(bytes);
            }
        }
        3 => {
            let key = usize::from(with) % document.entries.len().max(1);
            if let Some(entry) = document.entries.get_mut(key) {
                entry.1 = bytes.to_vec();
            }
        }
        4 if usize::from(with) < document.entries.len() => {
            document.entries.remove(usize::from(with));
        }
        5 => document
            .entries
            .push((cbor::text("pcrs"), pcrs(0..with % 40))),
        6 => {
            for (key, value) in &mut document.entries {
                if *key == cbor::text("timestamp") {
                    *value = cbor::unsigned(NOW_MS.wrapping_add(number));
                }
            }
        }
        7 => {
            for (key, value) in &mut document.entries {
                if *key == cbor::text("pcrs") {
                    let zeros: Vec<_> = (0..u64::from(with % 8))
                        .map(|index| (cbor::unsigned(index), cbor::bytes(&[0; 48])))
                        .collect();
                    *value = cbor::map(&zeros);
                }
            }
        }
        _ => document.unprotected = bytes.to_vec(),
    }
}

fn vouching(document: Document, wants_round: bool) -> Document {
    if wants_round {
        document.with("user_data", cbor::bytes(BINDING.round_id().as_bytes()))
    } else {
        document
    }
}

fn compressed(point: &[u8]) -> Vec<u8> {
    [&[2 + (point[96] & 1)], &point[1..49]].concat()
}

/// A sound chain and document, made once.
pub(crate) struct Sound {
    pub(crate) pki: Pki,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) document: Document,
    signed: sealsum_forge::Signed,
}

impl Sound {
    fn sign_nothing(&self) -> sealsum_forge::Signed {
        self.signed.clone()
    }
}

pub(crate) static SOUND: LazyLock<Sound> = LazyLock::new(|| {
    let pki = Pki::sound();
    let chain = pki.issue();
    let document = Document::with_chain(&pki, &chain);
    let signed = document.sign(&[]);
    Sound {
        pki,
        chain,
        document,
        signed,
    }
});

static LOOK_ALIKE: LazyLock<Pki> = LazyLock::new(Pki::look_alike);

/// Ways of making a document; any other number makes changes.
pub(crate) const PAYLOAD: u8 = 0;
pub(crate) const CERTIFICATE: u8 = 1;
pub(crate) const CHANGES: u8 = 2;

const MOST_CHANGES: usize = 8;

const NAMES: &[&str] = &[
    "root", "regional", "zonal", "instance", "leaf", "", "another",
];

/// Some of them at the documents' time, a second before and after.
const TIMES: &[&str] = &[
    "250101000000Z",
    "491231235959Z",
    "260103204106Z",
    "260103204107Z",
    "260103204108Z",
    "20260103204107Z",
    "20500101000000Z",
    "19691231235959Z",
    "99991231235959Z",
    "260103204107",
    "260132000000Z",
];

const USAGES: &[[u8; 2]] = &[
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    DIGITAL_SIGNATURE_AND_KEY_CERT_SIGN,
    NON_REPUDIATION,
    [0, 0xff],
    [7, 0],
    [8, 0x80],
];

/// basicConstraints, keyUsage, extKeyUsage, nameConstraints, subjectAltName, CRL points, policies,
/// and one of nobody's.
const EXTENSIONS: &[&[u8]] = &[
    &[0x55, 0x1d, 0x13],
    &[0x55, 0x1d, 0x0f],
    &[0x55, 0x1d, 0x25],
    &[0x55, 0x1d, 0x1e],
    &[0x55, 0x1d, 0x11],
    &[0x55, 0x1d, 0x1f],
    &[0x55, 0x1d, 0x20],
    &[0x2a, 0x03, 0x04],
];
