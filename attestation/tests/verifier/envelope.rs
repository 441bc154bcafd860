//! Checklist 1 and 5: the envelope's shape, and the signature over it. The parts come from one real
//! document, so that nothing but the envelope is wrong.

use minicbor::Encoder;
use sealsum_attestation::{Rejection, UnverifiedDocument};

use crate::corpus::{aws_policy, document};
use crate::evidence::{Mock, NOW};

const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];

/// The encoded items of an envelope, each of which a test may replace.
struct Parts {
    head: Vec<u8>,
    protected: Vec<u8>,
    unprotected: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Parts {
    /// A real document with the hardware's own bytes for each item.
    fn sound() -> Self {
        let bytes = document(NAME).bytes;
        let mut decoder = minicbor::Decoder::new(&bytes);
        decoder.array().unwrap();
        decoder.bytes().unwrap();
        decoder.map().unwrap();
        let payload = decoder.bytes().unwrap();
        let signature = decoder.bytes().unwrap();
        Self {
            head: vec![0x84],
            protected: byte_string(PROTECTED),
            unprotected: vec![0xa0],
            payload: byte_string(payload),
            signature: byte_string(signature),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        [
            self.head.as_slice(),
            &self.protected,
            &self.unprotected,
            &self.payload,
            &self.signature,
        ]
        .concat()
    }
}

fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(&mut out).bytes(bytes).unwrap();
    out
}

fn code(bytes: &[u8]) -> &'static str {
    let verified = UnverifiedDocument::parse(bytes)
        .and_then(|parsed| parsed.authenticate(&aws_policy(), document(NAME).timestamp()));
    match verified {
        Ok(_) => "authentic",
        Err(rejection) => rejection.code(),
    }
}

fn changed(change: impl FnOnce(&mut Parts)) -> &'static str {
    let mut parts = Parts::sound();
    change(&mut parts);
    code(&parts.bytes())
}

#[test]
fn the_parts_put_together_again_are_the_document() {
    assert_eq!(Parts::sound().bytes(), document(NAME).bytes);
    assert_eq!(changed(|_| {}), "authentic");
}

#[test]
fn the_outermost_item_is_an_array_of_four_under_no_tag_but_eighteen() {
    let head = |head: &[u8]| changed(|parts| parts.head = head.to_vec());
    assert_eq!(head(&[0xd2, 0x84]), "authentic");
    assert_eq!(head(&[0xd1, 0x84]), "envelope-tag");
    assert_eq!(head(&[0xd8, 0x62, 0x84]), "envelope-tag");
    assert_eq!(head(&[0xd2, 0xd2, 0x84]), "envelope-wrong-type");
    assert_eq!(head(&[0xd8, 0x12, 0x84]), "envelope-not-minimal");
    assert_eq!(head(&[0x83]), "envelope-array-length");
    assert_eq!(head(&[0x85]), "envelope-array-length");
    assert_eq!(head(&[0xa2]), "envelope-wrong-type");
    assert_eq!(head(&[0x9f]), "envelope-indefinite");
    assert_eq!(head(&[0x98, 0x04]), "envelope-not-minimal");
    assert_eq!(code(&[]), "envelope-empty");
    // Text, as which a lax decoder may take the same bytes.
    assert_eq!(code(b"hEShOCKg"), "envelope-wrong-type");
}

#[test]
fn the_protected_header_names_es384_in_these_four_bytes() {
    let protected = |bytes: &[u8]| changed(|parts| parts.protected = byte_string(bytes));
    for header in [
        &[][..],
        &[0xa0],
        &[0xa1, 0x01, 0x26],
        &[0xa1, 0x01, 0x38, 0x23],
        &[0xa1, 0x01, 0x65, b'E', b'S', b'3', b'8', b'4'],
        &[0xa2, 0x01, 0x38, 0x22, 0x01, 0x38, 0x22],
        &[0xa2, 0x01, 0x38, 0x22, 0x03, 0x00],
        &[0xa1, 0x01, 0x38, 0x22, 0x00],
        &[0xa1, 0x01, 0x39, 0x00, 0x22],
        &[0xbf, 0x01, 0x38, 0x22, 0xff],
    ] {
        assert_eq!(protected(header), "envelope-protected", "{header:02x?}");
    }
    assert_eq!(
        changed(|parts| parts.protected = vec![0xf6]),
        "envelope-wrong-type"
    );
    assert_eq!(
        changed(|parts| parts.protected = PROTECTED.to_vec()),
        "envelope-wrong-type"
    );
}

#[test]
fn the_unprotected_header_is_the_empty_map() {
    let unprotected = |bytes: &[u8]| changed(|parts| parts.unprotected = bytes.to_vec());
    assert_eq!(unprotected(&[0xf6]), "envelope-unprotected");
    assert_eq!(
        unprotected(&[0xa1, 0x01, 0x38, 0x22]),
        "envelope-unprotected"
    );
    assert_eq!(unprotected(&[0x40]), "envelope-unprotected");
    assert_eq!(unprotected(&[0xbf, 0xff]), "envelope-indefinite");
    assert_eq!(unprotected(&[0xb8, 0x00]), "envelope-not-minimal");
    let moved = changed(|parts| {
        parts.protected = byte_string(&[]);
        parts.unprotected = PROTECTED.to_vec();
    });
    assert_eq!(moved, "envelope-protected");
}

#[test]
fn the_payload_is_one_definite_string_within_its_limits() {
    let payload = |bytes: Vec<u8>| changed(|parts| parts.payload = bytes);
    assert_eq!(payload(vec![0xf6]), "envelope-wrong-type");
    assert_eq!(payload(byte_string(&[])), "envelope-payload-length");
    assert_eq!(
        payload(byte_string(&vec![0; 16385])),
        "envelope-payload-length"
    );
    assert_eq!(payload(byte_string(&vec![0; 16384])), "payload-wrong-type");
    let chunked = [vec![0x5f], Parts::sound().payload, vec![0xff]].concat();
    assert_eq!(payload(chunked), "envelope-indefinite");
    let huge = [&[0x5b][..], &[0xff; 8]].concat();
    assert_eq!(payload(huge), "envelope-truncated");
}

#[test]
fn the_signature_is_r_and_s_and_of_this_document() {
    let other = document("nautilus-20250415-prod-7e9164").bytes;
    let foreign = &other[other.len() - 96..];
    let sound = Parts::sound().signature[2..].to_vec();
    let signature = |bytes: &[u8]| changed(|parts| parts.signature = byte_string(bytes));
    assert_eq!(signature(&sound), "authentic");
    assert_eq!(signature(foreign), "document-signature");
    for length in [0, 95, 97] {
        assert_eq!(signature(&vec![1; length]), "envelope-signature-length");
    }
    let der = [
        &[0x30, 0x64, 0x02, 0x30][..],
        &sound[..48],
        &[0x02, 0x30],
        &sound[48..],
    ]
    .concat();
    assert_eq!(signature(&der), "envelope-signature-length");
    let (r, s) = sound.split_at(48);
    assert_eq!(signature(&[&[0; 48], s].concat()), "document-signature");
    assert_eq!(signature(&[r, &[0; 48]].concat()), "document-signature");
    assert_eq!(signature(&[&[0xff; 48], s].concat()), "document-signature");
    assert_eq!(signature(&[s, r].concat()), "document-signature");
    for byte in [0, 47, 48, 95] {
        let mut flipped = sound.clone();
        flipped[byte] ^= 1;
        assert_eq!(signature(&flipped), "document-signature");
    }
}

#[test]
fn a_signature_over_another_structure_is_none_over_the_document() {
    let mock = Mock::boot();
    let notary = mock.notary();
    let payload = mock.payload(&notary.certificates()).encode(true);
    let judge = |context: &str, protected: &[u8], external: &[u8]| {
        let mut structure = Vec::new();
        Encoder::new(&mut structure)
            .array(4)
            .and_then(|e| e.str(context))
            .and_then(|e| e.bytes(protected))
            .and_then(|e| e.bytes(external))
            .and_then(|e| e.bytes(&payload))
            .unwrap();
        let parts = Parts {
            head: vec![0x84],
            protected: byte_string(PROTECTED),
            unprotected: vec![0xa0],
            payload: byte_string(&payload),
            signature: byte_string(&notary.sign(&structure).unwrap()),
        };
        UnverifiedDocument::parse(&parts.bytes())
            .and_then(|parsed| parsed.authenticate(&mock.policy(), NOW))
            .map(drop)
    };
    assert_eq!(judge("Signature1", PROTECTED, &[]), Ok(()));
    for (context, protected, external) in [
        ("Signature", PROTECTED, &[][..]),
        ("CounterSignature", PROTECTED, &[]),
        ("Signature1", &[][..], &[]),
        ("Signature1", &[0xa1, 0x01, 0x26], &[]),
        ("Signature1", PROTECTED, &[0]),
    ] {
        assert_eq!(
            judge(context, protected, external),
            Err(Rejection::Signature)
        );
    }
}

const NAME: &str = "base-nitro-validator-20260103-prod-9e038c";
