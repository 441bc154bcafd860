//! The target `document`: any bytes, read as an attestation document.

use sealsum_attestation::{PcrIndex, Rejection, UnverifiedDocument};
use sha2::{Digest as _, Sha384};

use crate::restated::Document;

/// Reads `input` as a document. It is one exactly if the restated rules say so, every accessor says
/// what they say, and reading takes memory in proportion to the input.
///
/// # Panics
/// If any of that does not hold.
pub fn document(input: &[u8]) -> &'static str {
    let mut parsed = None;
    let used = allocation_counter::measure(|| parsed = Some(UnverifiedDocument::parse(input)));
    let most = 2 * input.len() as u64 + MOST_ALLOCATED;
    assert!(used.bytes_max <= most, "{} bytes allocated", used.bytes_max);
    match (parsed.expect("parse returned"), Document::read(input)) {
        (Ok(found), Some(expected)) => {
            compare(&found, &expected);
            refuse_neighbours(input);
            "document"
        }
        (Err(rejection), None) => {
            check_rejection(&rejection);
            assert!(rejection.checklist_number() <= 3, "{rejection}");
            rejection.code()
        }
        (Ok(_), None) => panic!("accepted, and is no document by the restated rules"),
        (Err(rejection), Some(_)) => panic!("refused, and is a document: {rejection}"),
    }
}

/// A rejection has its place, its code and a short text, whatever a stranger wrote.
pub(crate) fn check_rejection(rejection: &Rejection) {
    assert!((1..=9).contains(&rejection.checklist_number()));
    let code = rejection.code();
    assert!(!code.is_empty() && code.bytes().all(|b| b == b'-' || b.is_ascii_alphanumeric()));
    let text = rejection.to_string();
    assert!((1..=LONGEST_TEXT).contains(&text.len()), "{text}");
}

fn compare(found: &UnverifiedDocument, expected: &Document) {
    assert_eq!(found.module_id(), expected.module_id);
    assert_eq!(found.timestamp().0, expected.timestamp);
    assert_eq!(found.certificate(), expected.certificate);
    assert_eq!(found.cabundle(), expected.cabundle);
    assert_eq!(found.public_key(), expected.public_key.as_deref());
    assert_eq!(found.user_data(), expected.user_data.as_deref());
    assert_eq!(found.nonce(), expected.nonce.as_deref());
    let measurement = found.measurement();
    assert!(
        measurement
            .iter()
            .map(|(index, pcr)| (u64::from(index.value()), pcr.as_bytes()))
            .eq(expected.pcrs.iter().map(|(index, value)| (*index, value)))
    );
    for index in 0..32 {
        let found = measurement.pcr(PcrIndex::new(index).expect("an index below 32"));
        assert_eq!(found.map(|pcr| pcr.as_bytes()), expected.pcrs.get(&index));
    }
    assert_eq!(measurement.is_debug(), expected.is_debug());
    assert_eq!(
        measurement
            .zero_image_register()
            .map(|i| u64::from(i.value())),
        expected.zero_register()
    );
    let instance = expected
        .module_id
        .find("-enc")
        .map(|end| &expected.module_id[..end]);
    assert_eq!(found.instance_id(), instance);
    let agrees = instance.zip(expected.pcrs.get(&4)).map(|(instance, pcr4)| {
        let mut extended = vec![0; 48];
        extended.extend_from_slice(instance.as_bytes());
        Sha384::digest(&extended)[..] == pcr4[..]
    });
    assert_eq!(found.pcr4_agrees(), agrees);
}

/// The document with a byte more or a byte less is none.
fn refuse_neighbours(input: &[u8]) {
    assert!(UnverifiedDocument::parse(&[input, &[0]].concat()).is_err());
    assert!(UnverifiedDocument::parse(&input[..input.len() - 1]).is_err());
}

/// Beside two copies of the input's parts: the tree of 32 registers, the list of fields.
const MOST_ALLOCATED: u64 = 8 * 1024;

/// Values of a stranger's are cut short in it.
const LONGEST_TEXT: usize = 1024;
