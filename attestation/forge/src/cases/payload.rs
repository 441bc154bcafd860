//! Checklist 2: the payload's map and its keys. Every document is signed as it stands.

use super::Cases;
use crate::cbor::{array, bytes, head, map, null, text, unsigned};
use crate::{Document, pcrs};

pub(super) fn add(cases: &mut Cases) {
    let sound = Document::sound();
    for (key, value) in &sound.entries {
        let name = std::str::from_utf8(&key[1..])
            .expect("a key")
            .replace('_', "-");
        let mut twice = sound.clone();
        twice.entries.push((key.clone(), value.clone()));
        cases.add("key-twice", &name, "payload-duplicate-field", twice.bytes());
    }
    for (what, place) in [("first", 0), ("last", sound.entries.len())] {
        let mut unknown = sound.clone();
        unknown.entries.insert(place, (text("comment"), text("x")));
        cases.add(
            "unknown-key",
            what,
            "payload-unknown-field",
            unknown.bytes(),
        );
    }
    let mut ordinary = sound.clone();
    ordinary.entries.push((text("Nonce"), null()));
    cases.add(
        "unknown-key",
        "capital",
        "payload-unknown-field",
        ordinary.bytes(),
    );
    let mut other_product = sound.clone().without("pcrs");
    other_product
        .entries
        .push((text("nitrotpm_pcrs"), pcrs(0..16)));
    cases.add(
        "nitrotpm-pcrs",
        "instead",
        "payload-unknown-field",
        other_product.bytes(),
    );
    let mut both = sound.clone();
    both.entries.push((text("nitrotpm_pcrs"), pcrs(0..16)));
    cases.add(
        "nitrotpm-pcrs",
        "beside",
        "payload-unknown-field",
        both.bytes(),
    );
    map_form(cases);
    presence(cases);
}

fn map_form(cases: &mut Cases) {
    let open = Document::sound();
    let definite = Document {
        open: false,
        ..Document::sound()
    };
    let mut sign = |row, what: &str, expect, payload: Vec<u8>| {
        cases.add(row, what, expect, open.sign(&payload).bytes());
    };
    let after = |payload: Vec<u8>| [payload, vec![0]].concat();
    sign(
        "payload-trailing",
        "map",
        "payload-trailing-bytes",
        after(definite.payload()),
    );
    sign(
        "payload-trailing",
        "break",
        "payload-trailing-bytes",
        after(open.payload()),
    );
    let mut unbroken = open.payload();
    unbroken.pop();
    sign("missing-break", "", "payload-truncated", unbroken);
    let mut few = definite.payload();
    few[0] += 1;
    sign("payload-form", "one-entry-short", "payload-truncated", few);
    let mut many = definite.payload();
    many[0] -= 1;
    sign(
        "payload-form",
        "one-entry-over",
        "payload-trailing-bytes",
        many,
    );
    let items: Vec<_> = open
        .entries
        .iter()
        .map(|(_, value)| value.clone())
        .collect();
    sign("payload-form", "array", "payload-wrong-type", array(&items));
    let numbered: Vec<_> = (0..).map(unsigned).zip(items).collect();
    sign(
        "payload-form",
        "integer-keys",
        "payload-wrong-type",
        map(&numbered),
    );
    let binary: Vec<_> = open
        .entries
        .iter()
        .map(|(key, value)| (bytes(&key[1..]), value.clone()))
        .collect();
    sign(
        "payload-form",
        "binary-keys",
        "payload-wrong-type",
        map(&binary),
    );
    let tagged = [vec![0xd8, 0x37], definite.payload()].concat();
    sign("payload-form", "tag", "payload-wrong-type", tagged);
    let long_head = [&[0xb8, 0x09], &definite.payload()[1..]].concat();
    sign(
        "payload-form",
        "long-head",
        "payload-not-minimal",
        long_head,
    );
    let wrapped = bytes(&definite.payload());
    sign("payload-form", "wrapped", "payload-wrong-type", wrapped);
    sign("payload-form", "null", "payload-wrong-type", null());
    let long_key = [&[0x78, 0x06][..], b"digest"].concat();
    let mut long = Document::sound();
    long.entries[1].0 = long_key;
    sign(
        "payload-form",
        "long-key",
        "payload-not-minimal",
        long.payload(),
    );
    let mut chunks = Document::sound();
    chunks.entries[1].0 = [vec![0x7f], text("dig"), text("est"), vec![0xff]].concat();
    sign(
        "payload-form",
        "key-in-chunks",
        "payload-indefinite",
        chunks.payload(),
    );

    let huge = |major: u8| [&[major << 5 | 27][..], &[0xff; 8]].concat();
    sign("huge-length", "map", "payload-truncated", huge(5));
    for (what, key, major, expect) in [
        ("module-id", "module_id", 3, "payload-truncated"),
        ("pcrs", "pcrs", 5, "payload-pcr-count"),
        ("certificate", "certificate", 2, "payload-truncated"),
        ("cabundle", "cabundle", 4, "payload-cabundle-count"),
        ("nonce", "nonce", 2, "payload-truncated"),
    ] {
        let document = Document::sound().with(key, huge(major));
        sign("huge-length", what, expect, document.payload());
    }
    for (what, key) in [("nonce", "nonce"), ("pcrs", "pcrs")] {
        let document = Document::sound().with(key, [vec![0x81; 8000], null()].concat());
        sign("nesting", what, "payload-wrong-type", document.payload());
    }
    let document = Document::sound().with("cabundle", [vec![0x81; 8000], null()].concat());
    sign(
        "nesting",
        "cabundle",
        "payload-wrong-type",
        document.payload(),
    );
    sign(
        "nesting",
        "payload",
        "payload-wrong-type",
        vec![0x81; 16_384],
    );
    let maps = [head(5, 1).repeat(8000), null()].concat();
    sign("nesting", "keys", "payload-wrong-type", maps);
}

fn presence(cases: &mut Cases) {
    for key in MANDATORY {
        let name = key.replace('_', "-");
        let document = Document::sound();
        let missing = document.clone().without(key).bytes();
        cases.add("field-missing", &name, "payload-missing-field", missing);
        let nothing = document.clone().with(key, null()).bytes();
        cases.add("field-null", &name, "payload-wrong-type", nothing);
        let tagged = [&[0xc1], document.value(key)].concat();
        let tagged = document.with(key, tagged).bytes();
        cases.add("field-tagged", &name, "payload-wrong-type", tagged);
    }
    for key in MANDATORY.into_iter().chain(OPTIONAL) {
        let name = key.replace('_', "-");
        let number = key == "timestamp";
        for (what, value) in [
            ("true", vec![0xf5]),
            ("undefined", vec![0xf7]),
            ("number", unsigned(7)),
            ("break", vec![0xff]),
        ] {
            if !(number && what == "number") {
                let document = Document::sound().with(key, value);
                let what = format!("{name}-{what}");
                cases.add(
                    "field-wrong-type",
                    &what,
                    "payload-wrong-type",
                    document.bytes(),
                );
            }
        }
    }
}

const MANDATORY: [&str; 6] = [
    "module_id",
    "digest",
    "timestamp",
    "pcrs",
    "certificate",
    "cabundle",
];
const OPTIONAL: [&str; 3] = ["public_key", "user_data", "nonce"];
