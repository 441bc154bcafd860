use sealsum_protocol::{UnixMillis, label};

use super::{BadEndorsement, Endorsement, LABEL, MeasuredBuild, PublisherSigner};
use crate::pcr::{Pcr, PcrIndex};

fn json() -> String {
    let digits = |byte: &str, bytes| byte.repeat(bytes);
    format!(
        r#"{{"version": "0.2.0", "commit": "{}", "PCR0": "{}", "PCR1": "{}", "PCR2": "{}",
            "eif_sha256": "{}", "lock_file_sha256": "{}", "kernel_sha256": "{}",
            "compilers": {{"rustc": "1.95.0"}}}}"#,
        digits("c0", 20),
        digits("a0", 48),
        digits("a1", 48),
        digits("a2", 48),
        digits("e0", 32),
        digits("10", 32),
        digits("b0", 32),
    )
}

fn signer() -> PublisherSigner {
    PublisherSigner::from_secret(&[7; 32])
}

fn endorsement() -> Endorsement {
    let build = MeasuredBuild::parse(&json()).unwrap();
    Endorsement::sign(&signer(), build, UnixMillis(1_800_000_000_000))
}

#[test]
fn a_build_is_read_with_every_value_in_its_form() {
    let build = MeasuredBuild::parse(&json()).unwrap();
    assert_eq!(build.version().to_string(), "0.2.0");
    assert_eq!(build.commit(), "c0".repeat(20));
    assert_eq!(build.eif_sha256(), "e0".repeat(32));
    assert_eq!(
        build.image()[2],
        (PcrIndex::APPLICATION, Pcr::new([0xa2; 48]))
    );
    assert_eq!(build.signer(), None);
}

#[test]
fn a_build_with_anything_else_is_refused() {
    let refused = |from: &str, to: &str| {
        let changed = json().replacen(from, to, 1);
        assert_ne!(changed, json());
        MeasuredBuild::parse(&changed).unwrap_err().to_string()
    };
    let unknown = refused("\"version\"", "\"signed_by\": \"me\", \"version\"");
    assert!(unknown.contains("signed_by"), "{unknown}");
    let missing = refused(&format!("\"PCR2\": \"{}\",", "a2".repeat(48)), "");
    assert!(missing.contains("PCR2"), "{missing}");
    let twice = refused("\"version\"", "\"version\": \"0.1.0\", \"version\"");
    assert!(twice.contains("duplicate"), "{twice}");
    assert!(refused("0.2.0", "0.2").contains("three numbers"));
    assert!(refused("c0c0", "C0C0").contains("lower case"));
    assert!(refused("e0e0", "e0").contains("eif_sha256 has 62"));
    assert!(refused(&"a1".repeat(48), &"00".repeat(48)).contains("PCR1 is all zero"));
    assert!(refused(&"a1".repeat(48), &"A1".repeat(48)).contains("PCR1 has 96"));
}

#[test]
fn an_endorsement_is_read_back_as_it_was_signed() {
    let endorsement = endorsement();
    let read = Endorsement::parse(&endorsement.to_json()).unwrap();
    assert_eq!(read, endorsement);
    assert_eq!(read.verify(), Ok(()));
    assert_eq!(read.publisher(), signer().key());
}

#[test]
fn a_publishers_key_is_shown_in_the_digits_that_it_is_read_from() {
    let key = signer().key();
    assert_eq!(key.to_string(), hex::encode(key.as_bytes()));
    assert_eq!(key.to_string().parse(), Ok(key));
    assert_eq!(format!("{key:?}"), format!("PublisherKey({key})"));
}

#[test]
fn an_endorsement_without_an_end_is_refused() {
    let json = endorsement().to_json();
    let endless = json.replacen("\"not_after_ms\": 1800000000000,", "", 1);
    assert_ne!(endless, json);
    let refused = Endorsement::parse(&endless).unwrap_err();
    assert!(refused.to_string().contains("not_after_ms"), "{refused}");
    assert_eq!(refused.code(), "endorsement-malformed");
}

#[test]
fn any_changed_value_breaks_the_signature() {
    let json = endorsement().to_json();
    let key = signer().key().to_string();
    let other = PublisherSigner::from_secret(&[8; 32]).key().to_string();
    for (from, to) in [
        ("0.2.0", "0.3.0"),
        ("c0c0", "c1c0"),
        ("a0a0", "a1a0"),
        ("a1a1", "a0a1"),
        ("a2a2", "a3a2"),
        ("e0e0", "e1e0"),
        ("1010", "1110"),
        ("b0b0", "b1b0"),
        ("1.95.0", "1.95.1"),
        ("\"rustc\"", "\"gcc\""),
        ("1800000000000", "1800000000001"),
        (key.as_str(), other.as_str()),
    ] {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json, "{from}");
        let changed = Endorsement::parse(&changed).unwrap();
        assert!(
            matches!(changed.verify(), Err(BadEndorsement::Signature { .. })),
            "{from}"
        );
    }
}

#[test]
fn a_signing_certificates_register_is_signed_too() {
    let with = json().replacen(
        "\"eif_sha256\"",
        &format!("\"PCR8\": \"{}\", \"eif_sha256\"", "a8".repeat(48)),
        1,
    );
    let build = MeasuredBuild::parse(&with).unwrap();
    assert_eq!(build.signer(), Some(&Pcr::new([0xa8; 48])));
    let endorsement = Endorsement::sign(&signer(), build, UnixMillis(1_800_000_000_000));
    let json = endorsement.to_json();
    let added = super::tests::endorsement().to_json().replacen(
        "\"PCR8\": null",
        &format!("\"PCR8\": \"{}\"", "a8".repeat(48)),
        1,
    );
    assert_eq!(Endorsement::parse(&json).unwrap().verify(), Ok(()));
    assert!(Endorsement::parse(&added).unwrap().verify().is_err());
}

#[test]
fn i17_no_signature_of_the_protocol_passes_for_an_endorsement() {
    assert!(label::ALL.iter().all(|other| other.as_str() != LABEL));
    let message = endorsement().message();
    assert_eq!(usize::from(message[0]), LABEL.len());
    assert_eq!(&message[1..=LABEL.len()], LABEL.as_bytes());
}

/// The page's words for other implementations, byte by byte.
#[test]
fn what_is_signed_is_what_the_page_says() {
    let message = endorsement().message();
    let text = |value: &str| {
        let length = u8::try_from(value.len()).unwrap();
        let head = match length {
            0..=23 => vec![0x60 | length],
            _ => vec![0x78, length],
        };
        [head, value.as_bytes().to_vec()].concat()
    };
    let mut expected = vec![22];
    expected.extend_from_slice(b"sealsum/v1/endorsement");
    expected.push(0xa3);
    expected.extend(text("measurements"));
    expected.push(0xaa);
    for (key, value) in [
        ("version", "0.2.0".to_owned()),
        ("commit", "c0".repeat(20)),
        ("PCR0", "a0".repeat(48)),
        ("PCR1", "a1".repeat(48)),
        ("PCR2", "a2".repeat(48)),
    ] {
        expected.extend([text(key), text(&value)].concat());
    }
    expected.extend([text("PCR8"), vec![0xf6]].concat());
    for (key, byte) in [
        ("eif_sha256", "e0"),
        ("lock_file_sha256", "10"),
        ("kernel_sha256", "b0"),
    ] {
        expected.extend([text(key), text(&byte.repeat(32))].concat());
    }
    expected.extend([text("compilers"), vec![0xa1], text("rustc"), text("1.95.0")].concat());
    expected.extend(text("not_after_ms"));
    expected.push(0x1b);
    expected.extend(1_800_000_000_000_u64.to_be_bytes());
    expected.extend(text("publisher"));
    expected.extend([0x58, 32]);
    expected.extend(signer().key().as_bytes());
    assert_eq!(message, expected);
}
