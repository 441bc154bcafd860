#![allow(
    clippy::needless_pass_by_value,
    reason = "rows of cases read better with owned values"
)]

use minicbor::Encoder;

use super::{BadPayload, Payload};

/// The keys and the CBOR of the values of a payload that is fine.
fn sound() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("module_id", text("i-0123-enc4567")),
        ("digest", text("SHA384")),
        ("timestamp", unsigned(1_700_000_000_000)),
        ("pcrs", pcrs(&[0, 1, 2, 3, 4])),
        ("certificate", bytes(600)),
        ("cabundle", array(&[bytes(500), bytes(600)])),
        ("public_key", vec![0xf6]),
        ("user_data", bytes(32)),
        ("nonce", bytes(0)),
    ]
}

fn text(value: &str) -> Vec<u8> {
    written(|e| drop(e.str(value)))
}

fn unsigned(value: u64) -> Vec<u8> {
    written(|e| drop(e.u64(value)))
}

fn bytes(length: usize) -> Vec<u8> {
    written(|e| drop(e.bytes(&vec![7; length])))
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = written(|e| drop(e.array(items.len() as u64)));
    out.extend(items.concat());
    out
}

fn map_head(length: u64) -> Vec<u8> {
    written(|e| drop(e.map(length)))
}

fn pcrs(indices: &[u64]) -> Vec<u8> {
    let mut out = map_head(indices.len() as u64);
    for index in indices {
        out.extend(unsigned(*index));
        out.extend(bytes(48));
    }
    out
}

fn written(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Encoder::new(&mut out));
    out
}

fn definite(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = map_head(entries.len() as u64);
    for (key, value) in entries {
        out.extend(text(key));
        out.extend(value);
    }
    out
}

fn indefinite(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = definite(entries);
    out[0] = 0xbf;
    out.push(0xff);
    out
}

/// The sound payload with one field's value replaced, or left out.
fn with(key: &str, value: Option<Vec<u8>>) -> Vec<(&'static str, Vec<u8>)> {
    sound()
        .into_iter()
        .filter_map(|(name, old)| {
            let new = if name == key { value.clone()? } else { old };
            Some((name, new))
        })
        .collect()
}

fn code(payload: &[u8]) -> &'static str {
    Payload::parse(payload)
        .err()
        .map_or("accepted", |error: BadPayload| error.code())
}

fn code_with(key: &str, value: Vec<u8>) -> &'static str {
    let payload = with(key, Some(value));
    let code_definite = code(&definite(&payload));
    assert_eq!(code_definite, code(&indefinite(&payload)));
    code_definite
}

#[test]
fn definite_and_indefinite_maps_say_the_same() {
    let definite = Payload::parse(&definite(&sound())).unwrap();
    assert_eq!(definite, Payload::parse(&indefinite(&sound())).unwrap());
    assert_eq!(definite.module_id, "i-0123-enc4567");
    assert_eq!(definite.public_key, None);
    assert_eq!(definite.nonce, Some(Vec::new()));
    assert_eq!(definite.cabundle.len(), 2);
}

#[test]
fn an_absent_optional_is_as_good_as_a_null_one() {
    for key in ["public_key", "user_data", "nonce"] {
        assert_eq!(code(&definite(&with(key, None))), "accepted");
        assert_eq!(code_with(key, vec![0xf6]), "accepted");
        assert_eq!(code_with(key, bytes(1024)), "accepted");
        assert_eq!(code_with(key, bytes(1025)), "payload-optional-length");
        assert_eq!(code_with(key, text("key")), "payload-wrong-type");
        assert_eq!(code_with(key, vec![0xf7]), "payload-wrong-type");
    }
}

#[test]
fn each_mandatory_field_must_come_and_be_of_its_type() {
    for key in [
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "certificate",
        "cabundle",
    ] {
        assert_eq!(code(&definite(&with(key, None))), "payload-missing-field");
        assert_eq!(code_with(key, vec![0xf6]), "payload-wrong-type", "{key}");
        assert_eq!(code_with(key, vec![0xf5]), "payload-wrong-type", "{key}");
        // Under a tag.
        let (_, value) = sound().into_iter().find(|(name, _)| *name == key).unwrap();
        assert_eq!(
            code_with(key, [vec![0xc1], value].concat()),
            "payload-wrong-type"
        );
    }
}

#[test]
fn each_key_comes_once() {
    for (key, value) in sound() {
        let mut entries = sound();
        entries.push((key, value));
        assert_eq!(
            code(&definite(&entries)),
            "payload-duplicate-field",
            "{key}"
        );
        assert_eq!(
            code(&indefinite(&entries)),
            "payload-duplicate-field",
            "{key}"
        );
    }
}

#[test]
fn an_unknown_key_is_refused_wherever_it_stands() {
    for position in [0, 4, 9] {
        let mut entries = sound();
        entries.insert(position, ("nitrotpm_pcrs", pcrs(&[0])));
        assert_eq!(code(&definite(&entries)), "payload-unknown-field");
    }
    let renamed: Vec<_> = sound()
        .into_iter()
        .map(|(key, value)| (if key == "pcrs" { "nitrotpm_pcrs" } else { key }, value))
        .collect();
    assert_eq!(code(&definite(&renamed)), "payload-unknown-field");
}

#[test]
fn nothing_follows_the_map_and_nothing_is_missing_from_it() {
    for whole in [definite(&sound()), indefinite(&sound())] {
        assert_eq!(
            code(&[whole.clone(), vec![0]].concat()),
            "payload-trailing-bytes"
        );
        for length in 0..whole.len() {
            assert_eq!(code(&whole[..length]), "payload-truncated", "{length}");
        }
    }
    let mut without_break = indefinite(&sound());
    without_break.pop();
    assert_eq!(code(&without_break), "payload-truncated");
}

#[test]
fn the_payload_is_a_map_with_text_keys_and_no_tag() {
    let map = definite(&sound());
    assert_eq!(code(&array(&[bytes(1)])), "payload-wrong-type");
    assert_eq!(
        code(&[vec![0xd8, 0x37], map.clone()].concat()),
        "payload-wrong-type"
    );
    let mut integer_key = map_head(1);
    integer_key.extend([0x00, 0x00]);
    assert_eq!(code(&integer_key), "payload-wrong-type");
    // The map's own head in two bytes.
    assert_eq!(
        code(&[&[0xb8, 0x09], &map[1..]].concat()),
        "payload-not-minimal"
    );
    // A key in chunks.
    assert_eq!(code(&[0xbf, 0x7f, 0x61, b'a', 0xff]), "payload-indefinite");
}

#[test]
fn module_id_digest_and_timestamp_keep_their_limits() {
    assert_eq!(code_with("module_id", text("")), "payload-module-id");
    assert_eq!(
        code_with("module_id", vec![0x62, 0xff, 0xfe]),
        "payload-not-utf8"
    );
    for digest in ["SHA256", "SHA512", "sha384", "SHA384 ", ""] {
        assert_eq!(code_with("digest", text(digest)), "payload-digest");
    }
    assert_eq!(code_with("timestamp", unsigned(1)), "accepted");
    assert_eq!(code_with("timestamp", unsigned(0)), "payload-timestamp");
    assert_eq!(
        code_with("timestamp", unsigned(1 << 63)),
        "payload-timestamp"
    );
    assert_eq!(code_with("timestamp", vec![0x20]), "payload-wrong-type");
    assert_eq!(
        code_with("timestamp", vec![0xf9, 0x3c, 0x00]),
        "payload-wrong-type"
    );
    assert_eq!(
        code_with("timestamp", vec![0x18, 0x01]),
        "payload-not-minimal"
    );
}

#[test]
fn registers_are_one_to_thirty_two_each_once_and_of_forty_eight_bytes() {
    let all: Vec<u64> = (0..32).collect();
    assert_eq!(code_with("pcrs", pcrs(&all)), "accepted");
    assert_eq!(code_with("pcrs", pcrs(&[31])), "accepted");
    assert_eq!(code_with("pcrs", pcrs(&[])), "payload-pcr-count");
    let too_many: Vec<u64> = (0..33).collect();
    assert_eq!(code_with("pcrs", pcrs(&too_many)), "payload-pcr-count");
    assert_eq!(code_with("pcrs", pcrs(&[0, 32])), "payload-pcr-index");
    assert_eq!(code_with("pcrs", pcrs(&[0, 1, 0])), "payload-duplicate-pcr");
    let entry = |index: &[u8], value: Vec<u8>| [map_head(1), index.to_vec(), value].concat();
    assert_eq!(
        code_with("pcrs", entry(&[0x20], bytes(48))),
        "payload-wrong-type"
    );
    assert_eq!(
        code_with("pcrs", entry(b"\x610", bytes(48))),
        "payload-wrong-type"
    );
    for length in [0, 31, 47, 49, 64] {
        assert_eq!(
            code_with("pcrs", entry(&[0], bytes(length))),
            "payload-pcr-length"
        );
    }
    let as_text = text(&"0".repeat(48));
    assert_eq!(
        code_with("pcrs", entry(&[0], as_text)),
        "payload-wrong-type"
    );
    let as_numbers = array(&vec![vec![0]; 48]);
    assert_eq!(
        code_with("pcrs", entry(&[0], as_numbers)),
        "payload-wrong-type"
    );
    // The same index again, in a longer form.
    let mut twice = map_head(2);
    twice.extend([vec![0x00], bytes(48), vec![0x18, 0x00], bytes(48)].concat());
    assert_eq!(code_with("pcrs", twice), "payload-not-minimal");
    // Inner maps were always definite.
    let mut inner = pcrs(&[0]);
    inner[0] = 0xbf;
    inner.push(0xff);
    assert_eq!(code_with("pcrs", inner), "payload-indefinite");
}

#[test]
fn certificates_keep_their_number_and_size() {
    assert_eq!(code_with("certificate", bytes(1024)), "accepted");
    assert_eq!(
        code_with("certificate", bytes(0)),
        "payload-certificate-length"
    );
    assert_eq!(
        code_with("certificate", bytes(1025)),
        "payload-certificate-length"
    );
    assert_eq!(code_with("cabundle", array(&vec![bytes(1); 8])), "accepted");
    assert_eq!(code_with("cabundle", array(&[])), "payload-cabundle-count");
    assert_eq!(
        code_with("cabundle", array(&vec![bytes(1); 100])),
        "payload-cabundle-count"
    );
    let with_empty = array(&[bytes(1), bytes(0)]);
    assert_eq!(
        code_with("cabundle", with_empty),
        "payload-certificate-length"
    );
    let with_large = array(&[bytes(1025)]);
    assert_eq!(
        code_with("cabundle", with_large),
        "payload-certificate-length"
    );
}

#[test]
fn no_length_is_written_in_more_bytes_than_it_needs() {
    let bytes_of_one = [0x58, 0x01, 0x07].to_vec();
    let bytes_of_32 = [&[0x59, 0x00, 0x20][..], &[7; 32]].concat();
    for key in ["certificate", "user_data", "nonce"] {
        assert_eq!(code_with(key, bytes_of_one.clone()), "payload-not-minimal");
        assert_eq!(code_with(key, bytes_of_32.clone()), "payload-not-minimal");
    }
    assert_eq!(
        code_with("cabundle", array(&[bytes_of_32])),
        "payload-not-minimal"
    );
    let digest = [&[0x78, 0x06][..], b"SHA384"].concat();
    assert_eq!(code_with("digest", digest), "payload-not-minimal");
    let key = [&[0xa1, 0x78, 0x06][..], b"digest", &text("SHA384")].concat();
    assert_eq!(code(&key), "payload-not-minimal");
    let one_entry = [&[0x98, 0x01][..], &bytes(1)].concat();
    assert_eq!(code_with("cabundle", one_entry), "payload-not-minimal");
    let one_register = [&[0xb8, 0x01, 0x00][..], &bytes(48)].concat();
    assert_eq!(code_with("pcrs", one_register), "payload-not-minimal");
}

#[test]
fn a_huge_declared_length_is_only_a_truncation() {
    let huge = |head: u8| {
        let mut out = map_head(1);
        out.extend(text("user_data"));
        out.extend([&[head][..], &[0xff; 8]].concat());
        out
    };
    assert_eq!(code(&huge(0x5b)), "payload-truncated");
    assert_eq!(
        code(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        "payload-truncated"
    );
    // Deep nesting where bytes are due is refused at its first level.
    assert_eq!(code_with("nonce", vec![0x81; 10_000]), "payload-wrong-type");
}
