//! Checklist 3: what each field holds.

use super::Cases;
use crate::cbor::{array, bytes, head, null, text, unsigned};
use crate::{Document, NOW_MS, Pki, pcrs};

pub(super) fn add(cases: &mut Cases) {
    let mut with = |row, what: &str, expect, key: &str, value: Vec<u8>| {
        cases.add(
            row,
            what,
            expect,
            Document::sound().with(key, value).bytes(),
        );
    };
    with(
        "module-id",
        "empty",
        "payload-module-id",
        "module_id",
        text(""),
    );
    let not_utf8 = vec![0x62, 0xff, 0xfe];
    with(
        "module-id",
        "not-utf8",
        "payload-not-utf8",
        "module_id",
        not_utf8,
    );
    with(
        "module-id",
        "bytes",
        "payload-wrong-type",
        "module_id",
        bytes(b"i-0"),
    );
    for (what, digest) in [
        ("sha256", "SHA256"),
        ("sha512", "SHA512"),
        ("lower-case", "sha384"),
        ("space", "SHA384 "),
        ("empty", ""),
    ] {
        with("digest", what, "payload-digest", "digest", text(digest));
    }
    with(
        "timestamp",
        "0",
        "payload-timestamp",
        "timestamp",
        unsigned(0),
    );
    with(
        "timestamp",
        "negative",
        "payload-wrong-type",
        "timestamp",
        vec![0x20],
    );
    let float = [&[0xfb][..], &(NOW_MS as f64).to_be_bytes()].concat();
    with(
        "timestamp",
        "float",
        "payload-wrong-type",
        "timestamp",
        float,
    );
    with(
        "timestamp",
        "2-to-the-63",
        "payload-timestamp",
        "timestamp",
        unsigned(1 << 63),
    );
    with(
        "timestamp",
        "text",
        "payload-wrong-type",
        "timestamp",
        text("1767472867000"),
    );
    let long = [&[0x1b][..], &7_u64.to_be_bytes()].concat();
    with(
        "timestamp",
        "long-number",
        "payload-not-minimal",
        "timestamp",
        long,
    );
    registers(cases);
    certificates(cases);
    for key in ["public_key", "user_data", "nonce"] {
        let name = key.replace('_', "-");
        let long = Document::sound().with(key, bytes(&[7; 1025]));
        cases.add(
            "optional-size",
            &name,
            "payload-optional-length",
            long.bytes(),
        );
        let as_text = Document::sound().with(key, text("key"));
        cases.add(
            "optional-text",
            &name,
            "payload-wrong-type",
            as_text.bytes(),
        );
        let long_head = [&[0x59, 0x00, 0x20][..], &[7; 32]].concat();
        let long_head = Document::sound().with(key, long_head);
        cases.add(
            "optional-long-head",
            &name,
            "payload-not-minimal",
            long_head.bytes(),
        );
    }
}

fn registers(cases: &mut Cases) {
    let mut with = |row, what: &str, expect, value: Vec<u8>| {
        cases.add(
            row,
            what,
            expect,
            Document::sound().with("pcrs", value).bytes(),
        );
    };
    let entry = |index: Vec<u8>, value: Vec<u8>| [index, value].concat();
    // Sixteen sound registers, and one more entry.
    let and = |more: Vec<u8>| [head(5, 17), pcrs(0..16)[1..].to_vec(), more].concat();
    let and_index = |index: Vec<u8>| and(entry(index, bytes(&[7; 48])));
    with(
        "pcr-twice",
        "equal",
        "payload-duplicate-pcr",
        and(pcrs(0..1)[1..].to_vec()),
    );
    with(
        "pcr-twice",
        "other-value",
        "payload-duplicate-pcr",
        and_index(unsigned(0)),
    );
    with(
        "pcr-twice",
        "long-index",
        "payload-not-minimal",
        and_index(vec![0x18, 0x00]),
    );
    with("pcr-count", "0", "payload-pcr-count", pcrs(0..0));
    with("pcr-count", "33", "payload-pcr-count", pcrs(0..33));
    with(
        "pcr-index",
        "32",
        "payload-pcr-index",
        and_index(unsigned(32)),
    );
    with(
        "pcr-index",
        "256",
        "payload-pcr-index",
        and_index(unsigned(256)),
    );
    with(
        "pcr-index",
        "2-to-the-32",
        "payload-pcr-index",
        and_index(unsigned(1 << 32)),
    );
    with(
        "pcr-index",
        "negative",
        "payload-wrong-type",
        and_index(vec![0x20]),
    );
    with(
        "pcr-index",
        "text",
        "payload-wrong-type",
        and_index(text("16")),
    );
    for length in [0, 31, 47, 49, 64] {
        let value = and(entry(unsigned(16), bytes(&vec![7; length])));
        with(
            "pcr-value",
            &length.to_string(),
            "payload-pcr-length",
            value,
        );
    }
    let value = |value: Vec<u8>| and(entry(unsigned(16), value));
    with(
        "pcr-value",
        "text",
        "payload-wrong-type",
        value(text(&"7".repeat(48))),
    );
    with(
        "pcr-value",
        "numbers",
        "payload-wrong-type",
        value(array(&vec![vec![7]; 48])),
    );
    with("pcr-value", "null", "payload-wrong-type", value(null()));
    let mut open = pcrs(0..16);
    open[0] = 0xbf;
    open.push(0xff);
    with("pcr-map", "indefinite", "payload-indefinite", open);
    let list: Vec<_> = (0..16).map(|i| bytes(&[0xa0 + i; 48])).collect();
    with("pcr-map", "array", "payload-wrong-type", array(&list));
}

fn certificates(cases: &mut Cases) {
    let chain = Pki::sound().issue();
    let bundle: Vec<_> = chain[..4].iter().map(|der| bytes(der)).collect();
    let mut with = |what: &str, expect, value: Vec<u8>| {
        let document = Document::sound().with("cabundle", value);
        cases.add("cabundle", what, expect, document.bytes());
    };
    with("empty", "payload-cabundle-count", array(&[]));
    let and = |more: Vec<Vec<u8>>| array(&[bundle.clone(), more].concat());
    with(
        "empty-entry",
        "payload-certificate-length",
        and(vec![bytes(&[])]),
    );
    with(
        "entry-of-1025",
        "payload-certificate-length",
        and(vec![bytes(&[0x30; 1025])]),
    );
    with(
        "of-9",
        "payload-cabundle-count",
        and(vec![bundle[3].clone(); 5]),
    );
    with(
        "of-100",
        "payload-cabundle-count",
        array(&vec![bytes(&[7]); 100]),
    );
    with(
        "one-string",
        "payload-wrong-type",
        bytes(&chain[..4].concat()),
    );
    with("null-entry", "payload-wrong-type", and(vec![null()]));
    let indefinite = [&[0x9f][..], &bundle.concat(), &[0xff]].concat();
    with("indefinite", "payload-indefinite", indefinite);
    for (what, length) in [("empty", 0), ("1025", 1025)] {
        let document = Document::sound().with("certificate", bytes(&vec![0x30; length]));
        cases.add(
            "certificate-size",
            what,
            "payload-certificate-length",
            document.bytes(),
        );
    }
}
