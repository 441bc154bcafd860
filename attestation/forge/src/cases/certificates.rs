//! Checklist 4: one certificate by itself. It is issued as it stands, so its signature is right.

use super::{Cases, Question};
use crate::Document;
use crate::der::{
    DIGITAL_SIGNATURE, DIGITAL_SIGNATURE_AND_KEY_CERT_SIGN, EC_PUBLIC_KEY, ECDSA_WITH_SHA256,
    ECDSA_WITH_SHA384, ED25519, KEY_CERT_SIGN, NON_REPUDIATION, P256, P384, RSA_WITH_SHA384,
    algorithm, basic_constraints, ed25519_key_info, extended_key_usage, extension, key_info,
    key_usage, rsa_key_info, tlv,
};
use crate::pki::{Certificate, INSTANCE, LEAF, Pki, REGIONAL, ROOT, ZONAL};

pub(super) fn add(cases: &mut Cases) {
    roles(cases);
    keys(cases);
    algorithms(cases);
    form(cases);
    validity(cases);
}

fn changed(place: usize, change: impl FnOnce(&mut Certificate)) -> Vec<u8> {
    let mut pki = Pki::sound();
    change(&mut pki.certificates[place]);
    Document::under(&pki).bytes()
}

fn roles(cases: &mut Cases) {
    let mut with = |row, what: &str, expect, place, extensions: Vec<Vec<u8>>| {
        let document = changed(place, |c| c.extensions = extensions);
        cases.add(row, what, expect, document);
    };
    let usage = || key_usage(true, KEY_CERT_SIGN);
    let zonal = || basic_constraints(true, Some(1));
    let signs = key_usage(true, DIGITAL_SIGNATURE);
    let row = "authority-key-usage";
    with(
        row,
        "missing",
        "certificate-no-key-usage",
        ZONAL,
        vec![zonal()],
    );
    with(
        row,
        "signs-documents",
        "certificate-no-certificate-signing",
        ZONAL,
        vec![zonal(), signs],
    );
    let row = "authority-constraints";
    with(
        row,
        "missing",
        "certificate-no-basic-constraints",
        ZONAL,
        vec![usage()],
    );
    with(
        row,
        "no-extension",
        "certificate-no-basic-constraints",
        ZONAL,
        Vec::new(),
    );
    let not = basic_constraints(false, None);
    with(
        row,
        "ca-false",
        "certificate-not-an-authority",
        ZONAL,
        vec![not, usage()],
    );
    let short = basic_constraints(true, Some(0));
    with(
        row,
        "path-length",
        "certificate-path-too-long",
        ZONAL,
        vec![short, usage()],
    );

    let leaf = || basic_constraints(false, None);
    let usage = |bits| key_usage(false, bits);
    let row = "leaf-constraints";
    with(
        row,
        "missing",
        "certificate-no-basic-constraints",
        LEAF,
        vec![usage(DIGITAL_SIGNATURE)],
    );
    let authority = vec![basic_constraints(true, None), usage(DIGITAL_SIGNATURE)];
    with(row, "ca-true", "leaf-is-authority", LEAF, authority);
    let row = "leaf-key-usage";
    with(
        row,
        "missing",
        "certificate-no-key-usage",
        LEAF,
        vec![leaf()],
    );
    with(
        row,
        "no-signing",
        "leaf-no-digital-signature",
        LEAF,
        vec![leaf(), usage(NON_REPUDIATION)],
    );
    let both = vec![leaf(), usage(DIGITAL_SIGNATURE_AND_KEY_CERT_SIGN)];
    with(row, "signs-certificates", "leaf-is-authority", LEAF, both);
}

fn keys(cases: &mut Cases) {
    let pki = Pki::sound();
    let compressed = |point: &[u8]| [&[2 + point[96] % 2], &point[1..49]].concat();
    for (name, place) in PLACES {
        let mut key = |what: &str, expect, info: Vec<u8>| {
            let document = changed(place, |c| c.key_info = Some(info));
            cases.add("key-type", &format!("{name}-{what}"), expect, document);
        };
        key("rsa", "certificate-key-type", rsa_key_info());
        key("ed25519", "certificate-key-type", ed25519_key_info());
        let p256 = pki.key_info(place, P256, |point| point[..65].to_vec());
        key("p256", "certificate-key-type", p256);
        let bare = tlv(0x30, &[algorithm(EC_PUBLIC_KEY), tlv(0x03, &[[0; 98]])]);
        key("no-curve", "certificate-key-type", bare);
        let mut point = |what: &str, expect, info: Vec<u8>| {
            let document = changed(place, |c| c.key_info = Some(info));
            cases.add("key-point", &format!("{name}-{what}"), expect, document);
        };
        let short = pki.key_info(place, P384, compressed);
        point("compressed", "certificate-key-point", short);
        let hybrid = pki.key_info(place, P384, |point| [&[6], &point[1..]].concat());
        point("hybrid", "certificate-key-point", hybrid);
        point("infinity", "certificate-key-point", key_info(P384, &[0]));
        let off = key_info(P384, &[&[4][..], &[1; 96]].concat());
        let expect = if place == LEAF {
            "document-signature"
        } else {
            "chain-signature"
        };
        point("off-curve", expect, off);
    }
}

fn algorithms(cases: &mut Cases) {
    let with_null = tlv(0x30, &[tlv(0x06, &[ECDSA_WITH_SHA384]), vec![0x05, 0x00]]);
    for (name, place) in PLACES {
        for (what, algorithm) in [
            ("sha256", algorithm(ECDSA_WITH_SHA256)),
            ("rsa", algorithm(RSA_WITH_SHA384)),
            ("ed25519", algorithm(ED25519)),
            ("null-parameter", with_null.clone()),
        ] {
            let document = changed(place, |c| {
                c.inner_algorithm.clone_from(&algorithm);
                c.outer_algorithm = algorithm;
            });
            let expect = "certificate-signature-algorithm";
            cases.add(
                "signature-algorithm",
                &format!("{name}-{what}"),
                expect,
                document,
            );
        }
        let document = changed(place, |c| c.inner_algorithm = algorithm(ECDSA_WITH_SHA256));
        let expect = "certificate-signature-algorithm";
        cases.add(
            "signature-algorithm",
            &format!("{name}-unequal"),
            expect,
            document,
        );
    }
}

fn form(cases: &mut Cases) {
    for (name, place) in PLACES {
        let mut one = |row, what: &str, expect, change: &dyn Fn(&mut Certificate)| {
            cases.add(
                row,
                &format!("{name}{what}"),
                expect,
                changed(place, change),
            );
        };
        let row = "certificate-extensions";
        one(row, "-critical", "certificate-extension-critical", &|c| {
            c.extensions
                .push(extension(&[0x2a, 0x03, 0x04], true, &[0x05, 0x00]));
        });
        one(
            row,
            "-other-usage",
            "certificate-extended-key-usage",
            &|c| {
                c.extensions.push(extended_key_usage());
            },
        );
        one(row, "-twice", "certificate-extension-duplicate", &|c| {
            c.extensions.push(c.extensions[1].clone());
        });
        one(row, "-malformed", "certificate-extension-malformed", &|c| {
            c.extensions[1] = extension(&[0x55, 0x1d, 0x0f], true, &[0x03]);
        });
        one(
            "certificate-trailing",
            "",
            "certificate-trailing-bytes",
            &|c| {
                c.trailing = vec![0];
            },
        );
        one("certificate-version", "", "certificate-version", &|c| {
            c.version = tlv(0xa0, &[tlv(0x02, &[&[1]])]);
        });
    }
    let pki = Pki::sound();
    for (name, place) in PLACES {
        let mut chain = pki.issue();
        chain[place].pop();
        let document = Document::with_chain(&pki, &chain).bytes();
        cases.add(
            "certificate-malformed",
            &format!("{name}-cut"),
            "certificate-malformed",
            document,
        );
        let mut chain = pki.issue();
        chain[place] = b"certificate".to_vec();
        let document = Document::with_chain(&pki, &chain).bytes();
        cases.add(
            "certificate-malformed",
            &format!("{name}-text"),
            "certificate-malformed",
            document,
        );
    }
}

/// Judged at 20:41:07 sharp. A root with another validity is another root, which no policy here
/// pins; so the root's own validity is asked for by time.
fn validity(cases: &mut Cases) {
    for (name, place) in [
        ("regional", REGIONAL),
        ("zonal", ZONAL),
        ("instance", INSTANCE),
        ("leaf", LEAF),
    ] {
        for (what, expect, validity) in [
            (
                "first-second",
                "appraised",
                ["260103204107Z", "270101000000Z"],
            ),
            (
                "last-second",
                "appraised",
                ["260101000000Z", "260103204107Z"],
            ),
            (
                "second-before",
                "certificate-not-yet-valid",
                ["260103204108Z", "270101000000Z"],
            ),
            (
                "second-after",
                "certificate-expired",
                ["260101000000Z", "260103204106Z"],
            ),
        ] {
            let document = changed(place, |c| c.validity = validity);
            cases.add(
                "certificate-validity",
                &format!("{name}-{what}"),
                expect,
                document,
            );
        }
    }
    let mut pki = Pki::sound();
    for certificate in &mut pki.certificates[1..] {
        certificate.validity = ["200101000000Z", "20991231235959Z"];
    }
    debug_assert_eq!(
        pki.certificates[ROOT].validity,
        ["250101000000Z", "491231235959Z"]
    );
    let root = [
        ("root-first-second", "appraised", ROOT_NOT_BEFORE_MS),
        (
            "root-second-before",
            "certificate-not-yet-valid",
            ROOT_NOT_BEFORE_MS - 1000,
        ),
        ("root-last-second", "appraised", ROOT_NOT_AFTER_MS),
        (
            "root-second-after",
            "certificate-expired",
            ROOT_NOT_AFTER_MS + 1000,
        ),
    ];
    for (what, expect, at_ms) in root {
        let document = Document::under(&pki).with("timestamp", crate::cbor::unsigned(at_ms));
        let question = Question {
            at_ms,
            ..Question::default()
        };
        let row = "certificate-validity";
        cases.ask(row, what, expect, document.bytes(), question);
    }
}

/// 2025-01-01T00:00:00Z.
const ROOT_NOT_BEFORE_MS: u64 = 1_735_689_600_000;
/// 2049-12-31T23:59:59Z.
const ROOT_NOT_AFTER_MS: u64 = 2_524_607_999_000;
const PLACES: [(&str, usize); 2] = [("zonal", ZONAL), ("leaf", LEAF)];
