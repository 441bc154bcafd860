//! Inputs made to cost whoever reads them as much as they can: none is a sound document, and each
//! is at most 64 KiB.
//!
//! The certificates in them are as well-formed as they can be while they are large, so that a
//! verifier goes through all of them: a sound root in front, then as many as there may be.

use crate::cbor::{array, bytes, map, open_map, text, unsigned};
use crate::der::{
    DIGITAL_SIGNATURE, ECDSA_WITH_SHA384, KEY_CERT_SIGN, P384, algorithm, basic_constraints,
    extension, key_info, key_usage, name, tlv,
};
use crate::{Key, NOW_MS, PROTECTED, Pki, pcrs};

/// The size of the largest input.
pub const MAX_INPUT: usize = 65_536;

/// Each with a name.
pub fn inputs() -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    let mut add = |name: &str, input: Vec<u8>| inputs.push((name.to_owned(), input));
    for major in 0..8 {
        let huge = [&[major << 5 | 27][..], &[0xff; 8]].concat();
        add(
            &format!("huge-head-{major}"),
            filled(huge.clone(), 0x40, MAX_INPUT),
        );
        add(
            &format!("huge-payload-{major}"),
            around(&filled(huge, 0x40, MAX_PAYLOAD)),
        );
    }
    for first in [0x81, 0xa1, 0xc6, 0xd2, 0x9f, 0xbf, 0x5f] {
        add(&format!("nested-{first:x}"), vec![first; MAX_INPUT]);
        let payload = vec![first; MAX_PAYLOAD];
        add(&format!("nested-{first:x}-payload"), around(&payload));
    }
    add(
        "array-of-nothing",
        filled(vec![0x99, 0xff, 0xff], 0xf6, MAX_INPUT),
    );
    add("payload-of-64-kib", around(&vec![0xbf; MAX_INPUT - 200]));
    let long_id = text(&"i".repeat(MAX_PAYLOAD - 20));
    add(
        "long-module-id",
        around(&map(&[(text("module_id"), long_id)])),
    );
    let huge = [&[0x5b][..], &[0xff; 8]].concat();
    add(
        "huge-certificate",
        around(&map(&[(text("certificate"), huge)])),
    );
    let long_key = text(&"k".repeat(MAX_PAYLOAD - 20));
    add("long-key", around(&map(&[(long_key, unsigned(0))])));
    for (shape, extensions) in extensions() {
        let certificates = chain(|issuer, subject, own| {
            let all = [own, fitting(&extensions, 600)].concat();
            certificate(name(issuer), name(subject), &all)
        });
        add(&format!("certificates-{shape}"), document(&certificates));
    }
    for (shape, attributes) in names() {
        let long = |common_name: &str| {
            if common_name == "root" {
                return name("root");
            }
            let own = name(common_name)[2..].to_vec();
            tlv(0x30, &[own, fitting(&attributes, 200).concat()])
        };
        let certificates =
            chain(|issuer, subject, own| certificate(long(issuer), long(subject), &own));
        add(&format!("names-{shape}"), document(&certificates));
    }
    for (shape, der) in der() {
        let mut certificates = vec![Pki::sound().issue().swap_remove(0)];
        certificates.extend(vec![der; 8]);
        add(&format!("der-{shape}"), document(&certificates));
    }
    inputs
}

/// A document around these certificates, root first and leaf last, as large as its payload may be.
pub fn document(certificates: &[Vec<u8>]) -> Vec<u8> {
    let Some((leaf, cabundle)) = certificates.split_last() else {
        return around(&[]);
    };
    let cabundle: Vec<_> = cabundle.iter().map(|der| bytes(der)).collect();
    let mut entries = vec![
        (text("digest"), text("SHA384")),
        (text("timestamp"), unsigned(NOW_MS)),
        (text("pcrs"), pcrs(0..32)),
        (text("certificate"), bytes(leaf)),
        (text("cabundle"), array(&cabundle)),
    ];
    for key in ["public_key", "user_data", "nonce"] {
        entries.push((text(key), bytes(&[7; 1024])));
    }
    // The one field without a limit of its own takes what is left.
    let left = MAX_PAYLOAD.saturating_sub(open_map(&entries).len() + 13);
    entries.push((text("module_id"), text(&"i".repeat(left.max(1)))));
    around(&open_map(&entries))
}

/// An envelope around `payload`, with a signature of nobody's.
pub fn around(payload: &[u8]) -> Vec<u8> {
    let parts = [
        bytes(PROTECTED),
        vec![0xa0],
        bytes(payload),
        bytes(&[7; 96]),
    ];
    array(&parts)
}

/// The sound root, six intermediates (a path has no more) and a leaf, each by `issue` from issuer,
/// subject and the extensions that its role needs.
fn chain(issue: impl Fn(&str, &str, Vec<Vec<u8>>) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut certificates = vec![Pki::sound().issue().swap_remove(0)];
    let mut issuer = "root".to_owned();
    for number in 1..=6 {
        let subject = format!("authority {number}");
        let own = vec![
            basic_constraints(true, None),
            key_usage(true, KEY_CERT_SIGN),
        ];
        certificates.push(issue(&issuer, &subject, own));
        issuer = subject;
    }
    let own = vec![
        basic_constraints(false, None),
        key_usage(true, DIGITAL_SIGNATURE),
    ];
    certificates.push(issue(&issuer, "leaf", own));
    certificates
}

/// A certificate that is whole but for its signature.
fn certificate(issuer: Vec<u8>, subject: Vec<u8>, extensions: &[Vec<u8>]) -> Vec<u8> {
    let validity = ["250101000000Z", "491231235959Z"].map(|time| tlv(0x17, &[time.as_bytes()]));
    let to_be_signed = tlv(
        0x30,
        &[
            tlv(0xa0, &[tlv(0x02, &[&[2]])]),
            tlv(0x02, &[&[1]]),
            algorithm(ECDSA_WITH_SHA384),
            issuer,
            tlv(0x30, &validity),
            subject,
            key_info(P384, &Key::named("sound leaf").point()),
            tlv(0xa3, &[tlv(0x30, extensions)]),
        ],
    );
    let signature = tlv(0x30, &[[2, 1, 1], [2, 1, 1]]);
    let signature = tlv(0x03, &[vec![0], signature]);
    tlv(
        0x30,
        &[to_be_signed, algorithm(ECDSA_WITH_SHA384), signature],
    )
}

/// Extensions of every kind that a reader may unfold into more than their bytes.
fn extensions() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let many = |item: Vec<u8>, room: usize| vec![item.clone(); room / item.len()].concat();
    let one =
        |oid: &[u8], tag: u8, items: Vec<u8>| vec![extension(oid, false, &tlv(tag, &[items]))];
    let uri = tlv(0x86, &[b"u"]);
    let point = tlv(0x30, &[tlv(0xa0, &[tlv(0xa0, std::slice::from_ref(&uri))])]);
    let policy = |number: u8| tlv(0x30, &[tlv(0x06, &[[0x2a, 3, number]])]);
    let subtree = tlv(0x30, &[tlv(0x82, &[b""])]);
    vec![
        (
            "many",
            (0..100)
                .map(|number| tlv(0x30, &[tlv(0x06, &[[0x2a, number]]), tlv(0x04, &[b""])]))
                .collect(),
        ),
        (
            "alike",
            vec![tlv(0x30, &[tlv(0x06, &[[0x2a]]), tlv(0x04, &[b""])]); 100],
        ),
        (
            "alternative-names",
            one(&[0x55, 0x1d, 0x11], 0x30, many(uri, 560)),
        ),
        (
            "crl-points",
            one(&[0x55, 0x1d, 0x1f], 0x30, many(point, 560)),
        ),
        (
            "policies",
            one(
                &[0x55, 0x1d, 0x20],
                0x30,
                (0..60).flat_map(policy).collect(),
            ),
        ),
        (
            "name-constraints",
            one(&[0x55, 0x1d, 0x1e], 0x30, tlv(0xa0, &[many(subtree, 550)])),
        ),
        (
            "access",
            one(
                &[0x2b, 6, 1, 5, 5, 7, 1, 1],
                0x30,
                many(tlv(0x30, &[tlv(0x06, &[[0x2a]]), tlv(0x86, &[b""])]), 550),
            ),
        ),
        ("unknown", one(&[0x2a, 3], 0x30, vec![0; 560])),
    ]
}

/// Relative distinguished names, as many as fit.
fn names() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let attribute = tlv(0x30, &[tlv(0x06, &[[0x2a]]), tlv(0x0c, &[b""])]);
    vec![
        (
            "many",
            vec![tlv(0x31, std::slice::from_ref(&attribute)); 100],
        ),
        ("one-of-many", vec![tlv(0x31, &vec![attribute; 20])]),
        ("empty", vec![tlv::<Vec<u8>>(0x31, &[]); 100]),
    ]
}

/// What is no certificate, or hardly.
fn der() -> Vec<(&'static str, Vec<u8>)> {
    let filled = |head: &[u8], byte: u8| {
        let mut der = head.to_vec();
        der.resize(1024, byte);
        der
    };
    let nested = (0..250).fold(Vec::new(), |inner, _| tlv(0x30, &[inner]));
    vec![
        (
            "length-of-4-bytes",
            filled(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], 0),
        ),
        (
            "length-of-8-bytes",
            filled(&[&[0x30, 0x88][..], &[0xff; 8]].concat(), 0),
        ),
        ("length-of-127-bytes", filled(&[0x30, 0xff], 0xff)),
        (
            "length-inside",
            filled(
                &[0x30, 0x82, 3, 0xfc, 0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
                0,
            ),
        ),
        ("open", filled(&[0x30, 0x80, 0x30, 0x80], 0x30)),
        ("nested", nested),
        (
            "long-number",
            filled(
                &[0x30, 0x82, 3, 0xfc, 0x30, 0x82, 3, 0xf8, 2, 0x82, 3, 0xf4],
                7,
            ),
        ),
        ("zeros", vec![0; 1024]),
        ("ones", vec![0xff; 1024]),
        ("long-tags", vec![0x3f; 1024]),
    ]
}

/// As many of `parts` as fit into `room` bytes.
fn fitting(parts: &[Vec<u8>], room: usize) -> Vec<Vec<u8>> {
    let mut used = 0;
    parts
        .iter()
        .take_while(|part| {
            used += part.len();
            used <= room
        })
        .cloned()
        .collect()
}

/// `start`, and `byte` up to `size`.
fn filled(mut start: Vec<u8>, byte: u8, size: usize) -> Vec<u8> {
    start.resize(size, byte);
    start
}

const MAX_PAYLOAD: usize = 16_384;
