//! What real hardware sent is accepted exactly while its chain is valid, and what others broke is
//! refused by its name.

use crate::corpus::{aws_policy, document, documents};
use sealsum_attestation::{
    Measurement, PcrIndex, Rejection, UnverifiedDocument, appraise_archived,
};
use sealsum_protocol::UnixMillis;

fn authenticate(bytes: &[u8], at: UnixMillis) -> Result<(), Rejection> {
    UnverifiedDocument::parse(bytes)?
        .authenticate(&aws_policy(), at)
        .map(drop)
}

#[test]
fn every_real_document_is_authentic_at_both_edges_of_its_window_and_not_a_second_outside() {
    let mut seen = 0;
    for document in documents().iter().filter(|document| !document.is_broken()) {
        let [first, last] = document.window();
        for at in [first, document.timestamp(), last] {
            assert_eq!(
                authenticate(&document.bytes, at),
                Ok(()),
                "{}",
                document.name
            );
        }
        let before = authenticate(&document.bytes, UnixMillis(first.0 - 1000)).unwrap_err();
        assert_eq!(
            before.code(),
            "certificate-not-yet-valid",
            "{}",
            document.name
        );
        let after = authenticate(&document.bytes, UnixMillis(last.0 + 1000)).unwrap_err();
        assert_eq!(after.code(), "certificate-expired", "{}", document.name);
        seen += 1;
    }
    assert_eq!(seen, 12);
}

#[test]
fn a_real_document_says_what_the_index_says() {
    for document in documents().iter().filter(|document| !document.is_broken()) {
        let parsed = UnverifiedDocument::parse(&document.bytes).unwrap();
        assert_eq!(parsed.module_id(), document.text("module_id"));
        assert_eq!(parsed.timestamp(), document.timestamp());
        assert_eq!(parsed.pcr4_agrees(), Some(true), "{}", document.name);
        assert_eq!(parsed.measurement().is_debug(), document.debug);
        let digits = |measurement: &Measurement, index| {
            let index = PcrIndex::new(index).unwrap();
            measurement.pcr(index).unwrap().to_string()
        };
        for (index, key) in [(0, "pcr0"), (1, "pcr1"), (2, "pcr2")] {
            assert_eq!(digits(parsed.measurement(), index), document.text(key));
        }
        let registers = parsed.measurement().iter().count() as u64;
        assert_eq!(Some(registers), document.index["npcrs"].as_u64());
        let nonce = document.index["nonce_hex"]
            .as_str()
            .map(|hex| hex.len() / 2);
        assert_eq!(parsed.nonce().map(<[u8]>::len), nonce);
    }
}

#[test]
fn a_document_with_a_broken_signature_is_refused_for_its_signature() {
    for name in [
        "eternis-20240723-badsig-debug-5f42eb",
        "veracruz-go-20221109-badsig-prod-7df2cd",
    ] {
        let document = document(name);
        let refused = authenticate(&document.bytes, document.timestamp());
        assert_eq!(refused, Err(Rejection::Signature), "{name}");
    }
}

#[test]
fn a_document_of_another_make_is_refused_for_its_unprotected_header() {
    let document = document("blocky-na-malformed-e38802");
    let refused = UnverifiedDocument::parse(&document.bytes).unwrap_err();
    assert_eq!(refused.code(), "envelope-unprotected");
}

#[test]
fn the_tagged_form_is_the_same_document() {
    let document = document("fastcrypto-20251110-prod-8e5652");
    let tagged = [&[0xd2], document.bytes.as_slice()].concat();
    assert_eq!(authenticate(&tagged, document.timestamp()), Ok(()));
}

#[test]
fn every_real_debug_document_is_refused_by_default() {
    let mut seen = 0;
    for document in documents()
        .iter()
        .filter(|document| document.debug && !document.is_broken())
    {
        let binding = crate::evidence::round().0;
        let refused = appraise_archived(&document.bytes, binding, &aws_policy()).unwrap_err();
        let Rejection::DebugMode { register } = refused else {
            panic!("{}: {refused}", document.name)
        };
        assert_eq!(register, PcrIndex::IMAGE);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn a_real_document_of_another_image_is_refused_with_the_register_that_differs() {
    let document = document("nautilus-20250415-prod-7e9164");
    let binding = crate::evidence::round().0;
    let refused = appraise_archived(&document.bytes, binding, &aws_policy()).unwrap_err();
    assert_eq!(refused.code(), "wrong-pcr");
    let message = refused.to_string();
    assert!(message.contains("PCR0"), "{message}");
    assert!(message.contains(document.text("pcr0")), "{message}");
    assert!(message.contains(&"11".repeat(48)), "{message}");
}
