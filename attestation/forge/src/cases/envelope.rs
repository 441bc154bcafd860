//! Checklist 1 and 5: the envelope and its signature.

use super::Cases;
use crate::cbor::{bytes, chunked, null};
use crate::der::tlv;
use crate::{Document, PROTECTED, Pki};

pub(super) fn add(cases: &mut Cases) {
    shape(cases);
    headers(cases);
    payload(cases);
    signature(cases);
}

fn shape(cases: &mut Cases) {
    cases.add("empty", "", "envelope-empty", Vec::new());
    let whole = Document::sound().bytes();
    let trailing = [whole.as_slice(), &[0]].concat();
    cases.add("trailing-byte", "", "envelope-trailing-bytes", trailing);
    let twice = [whole.as_slice(), &whole].concat();
    cases.add(
        "trailing-byte",
        "whole-document",
        "envelope-trailing-bytes",
        twice,
    );

    let mut head = |row, what: &str, expect, head: &[u8], tail: &[u8]| {
        let document = Document {
            head: head.to_vec(),
            ..Document::sound()
        };
        cases.add(
            row,
            what,
            expect,
            [document.bytes().as_slice(), tail].concat(),
        );
    };
    head("outer-array", "3", "envelope-array-length", &[0x83], &[]);
    head(
        "outer-array",
        "5",
        "envelope-array-length",
        &[0x85],
        &[0xf6],
    );
    head("outer-array", "map", "envelope-wrong-type", &[0xa2], &[]);
    head(
        "outer-array",
        "long-head",
        "envelope-not-minimal",
        &[0x98, 0x04],
        &[],
    );
    head("tag", "17", "envelope-tag", &[0xd1, 0x84], &[]);
    head("tag", "98", "envelope-tag", &[0xd8, 0x62, 0x84], &[]);
    head(
        "tag",
        "18-twice",
        "envelope-wrong-type",
        &[0xd2, 0xd2, 0x84],
        &[],
    );
    head(
        "tag",
        "18-long",
        "envelope-not-minimal",
        &[0xd8, 0x12, 0x84],
        &[],
    );
    head(
        "indefinite-envelope",
        "array",
        "envelope-indefinite",
        &[0x9f],
        &[0xff],
    );
    let mut chunks = |what, change: fn(&mut Document)| {
        let mut document = Document::sound();
        change(&mut document);
        cases.add(
            "indefinite-envelope",
            what,
            "envelope-indefinite",
            document.bytes(),
        );
    };
    chunks("protected", |d| d.protected = chunked(PROTECTED));
    chunks("unprotected", |d| d.unprotected = vec![0xbf, 0xff]);
    let document = Document::sound();
    let mut signed = document.sign(&document.payload());
    signed.payload = chunked(&document.payload());
    cases.add(
        "indefinite-envelope",
        "payload",
        "envelope-indefinite",
        signed.bytes(),
    );
    let mut signed = document.sign(&document.payload());
    signed.signature = chunked(&signed.scalars().concat());
    cases.add(
        "indefinite-envelope",
        "signature",
        "envelope-indefinite",
        signed.bytes(),
    );
}

fn headers(cases: &mut Cases) {
    for (what, header) in [
        ("empty", &[][..]),
        ("empty-map", &[0xa0]),
        ("es256", &[0xa1, 0x01, 0x26]),
        ("es512", &[0xa1, 0x01, 0x38, 0x23]),
        ("text", &[0xa1, 0x01, 0x65, b'E', b'S', b'3', b'8', b'4']),
        ("label-twice", &[0xa2, 0x01, 0x38, 0x22, 0x01, 0x38, 0x22]),
        ("extra-header", &[0xa2, 0x01, 0x38, 0x22, 0x03, 0x00]),
        ("trailing-byte", &[0xa1, 0x01, 0x38, 0x22, 0x00]),
        ("long-number", &[0xa1, 0x01, 0x39, 0x00, 0x22]),
        ("indefinite-map", &[0xbf, 0x01, 0x38, 0x22, 0xff]),
    ] {
        // Signed with the header that is sent, so that only its content is wrong.
        let document = Document {
            protected: bytes(header),
            ..Document::sound()
        };
        let signed = document.sign_as("Signature1", header, &[], &document.payload());
        cases.add(
            "protected-header",
            what,
            "envelope-protected",
            signed.bytes(),
        );
    }
    let bare = Document {
        protected: PROTECTED.to_vec(),
        ..Document::sound()
    };
    cases.add(
        "protected-header",
        "map",
        "envelope-wrong-type",
        bare.bytes(),
    );
    let null_header = Document {
        protected: null(),
        ..Document::sound()
    };
    cases.add(
        "protected-header",
        "null",
        "envelope-wrong-type",
        null_header.bytes(),
    );
    let moved = Document {
        protected: bytes(&[]),
        unprotected: PROTECTED.to_vec(),
        ..Document::sound()
    };
    let signed = moved.sign_as("Signature1", &[], &[], &moved.payload());
    cases.add(
        "algorithm-unprotected",
        "",
        "envelope-protected",
        signed.bytes(),
    );

    let mut unprotected = |what, expect, header: &[u8]| {
        let document = Document {
            unprotected: header.to_vec(),
            ..Document::sound()
        };
        cases.add("unprotected-header", what, expect, document.bytes());
    };
    unprotected("algorithm", "envelope-unprotected", PROTECTED);
    unprotected("key-id", "envelope-unprotected", &[0xa1, 0x04, 0x41, 0x00]);
    unprotected("null", "envelope-unprotected", &null());
    unprotected("bytes", "envelope-unprotected", &[0x40]);
    unprotected("long-head", "envelope-not-minimal", &[0xb8, 0x00]);
}

fn payload(cases: &mut Cases) {
    let document = Document::sound();
    let mut signed = document.sign(&[]);
    cases.add(
        "payload-size",
        "empty",
        "envelope-payload-length",
        signed.bytes(),
    );
    signed.payload = null();
    cases.add(
        "payload-size",
        "null",
        "envelope-wrong-type",
        signed.bytes(),
    );
    // One byte more than allowed, all of it a field of its own size.
    let filler = 16_385 - document.payload().len();
    let large = [document.payload(), vec![0; filler]].concat();
    let signed = document.sign(&large);
    cases.add(
        "payload-size",
        "16385",
        "envelope-payload-length",
        signed.bytes(),
    );
}

fn signature(cases: &mut Cases) {
    let document = Document::sound();
    let sound = document.sign(&document.payload());
    let [r, s] = sound.scalars().map(<[u8]>::to_vec);
    let mut put = |row, what: &str, expect, signature: &[u8]| {
        let mut signed = sound.clone();
        signed.signature = bytes(signature);
        cases.add(row, what, expect, signed.bytes());
    };
    let scalars = [r.clone(), s.clone()].concat();
    let der = tlv(
        0x30,
        &[&r, &s].map(|scalar| tlv(0x02, &[vec![0], scalar.clone()])),
    );
    put("signature-size", "0", "envelope-signature-length", &[]);
    put(
        "signature-size",
        "95",
        "envelope-signature-length",
        &scalars[..95],
    );
    put(
        "signature-size",
        "97",
        "envelope-signature-length",
        &[&scalars[..], &[0]].concat(),
    );
    put("signature-size", "der", "envelope-signature-length", &der);
    let mut values = |what, r: &[u8], s: &[u8]| {
        put(
            "signature-values",
            what,
            "document-signature",
            &[r, s].concat(),
        );
    };
    values("r-0", &[0; 48], &s);
    values("s-0", &r, &[0; 48]);
    values("both-0", &[0; 48], &[0; 48]);
    values("r-order", &ORDER, &s);
    values("s-order", &r, &ORDER);
    values("r-all-ones", &[0xff; 48], &s);
    values("swapped", &s, &r);
    // ECDSA's other form of the same signature: hardware sends either, whichever comes.
    let other_form = [r.clone(), negated(&s)].concat();
    put("accepted-forms", "negated-s", "appraised", &other_form);
    let other = Document::sound().with("nonce", bytes(&[0x4f; 32]));
    let other = other.sign(&other.payload()).scalars().concat();
    put(
        "signature-of-another",
        "document",
        "document-signature",
        &other,
    );
    let stranger = Document::under(&Pki::look_alike());
    let stranger = stranger.sign(&document.payload()).scalars().concat();
    put(
        "signature-of-another",
        "key",
        "document-signature",
        &stranger,
    );
    let mut flipped = scalars;
    flipped[50] ^= 1;
    put("bit-flip", "signature", "document-signature", &flipped);

    let whole = sound.bytes();
    let mut flip = |what, expect, position: usize| {
        let mut changed = whole.clone();
        changed[position] ^= 1;
        cases.add("bit-flip", what, expect, changed);
    };
    // After array head and string head; then after the map, the payload's head and its first key.
    flip("protected", "envelope-protected", 5);
    let nonce = whole.windows(32).position(|part| part == crate::NONCE);
    flip(
        "nonce",
        "document-signature",
        nonce.expect("the nonce") + 31,
    );
    let pcr = whole.windows(48).position(|part| part == [0xa0; 48]);
    flip("pcr0", "document-signature", pcr.expect("PCR0"));

    let mut structure = |what, context: &str, protected: &[u8], external: &[u8]| {
        let signed = document.sign_as(context, protected, external, &document.payload());
        cases.add(
            "another-structure",
            what,
            "document-signature",
            signed.bytes(),
        );
    };
    structure("signature", "Signature", PROTECTED, &[]);
    structure("countersignature", "CounterSignature", PROTECTED, &[]);
    structure("external-data", "Signature1", PROTECTED, &[0]);
    structure("no-header", "Signature1", &[], &[]);
    structure("es256", "Signature1", &[0xa1, 0x01, 0x26], &[]);
}

/// The order less `scalar`.
fn negated(scalar: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut digits: Vec<u8> = ORDER
        .iter()
        .zip(scalar)
        .rev()
        .map(|(whole, part)| {
            let difference = 256 + i16::from(*whole) - i16::from(*part) - borrow;
            borrow = i16::from(difference < 256);
            difference.to_le_bytes()[0]
        })
        .collect();
    digits.reverse();
    digits
}

/// The order of P-384 (SEC 2, section 2.5.1).
const ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
