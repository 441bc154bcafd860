//! Signed images: PCR8, and signatures that are about something else.

use sealsum_eif::{BadImage, BadSignature, EnclaveImage, signature_section, to_be_signed};

use crate::contents::{APPLICATION, BOOT, COMMAND_LINE, KERNEL, assembled, contents, image};

/// Three bytes stand for a certificate: the reader takes its DER as it is.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
const DER: &[u8] = &[1, 2, 3];

fn pcr0() -> [u8; 48] {
    EnclaveImage::parse(&image()).unwrap().measure().pcr0
}

fn with(section: &[u8]) -> Result<(), BadImage> {
    let ramdisks: [&[u8]; 2] = [BOOT, APPLICATION];
    let kernel: (u16, &[u8]) = (1, KERNEL);
    let image = assembled(&[
        kernel,
        (2, COMMAND_LINE),
        (3, ramdisks[0]),
        (3, ramdisks[1]),
        (4, section),
    ]);
    EnclaveImage::parse(&image).map(drop)
}

fn malformed(section: &[u8]) -> bool {
    matches!(
        with(section),
        Err(BadImage::Signature(BadSignature::Malformed { .. }))
    )
}

fn refused(section: &[u8]) -> BadSignature {
    match with(section).unwrap_err() {
        BadImage::Signature(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_signed_image_has_pcr8_over_the_certificates_der() {
    let section = signature_section(&pcr0(), PEM, &[7; 96]);
    let ramdisks: [&[u8]; 2] = [BOOT, APPLICATION];
    let mut signed = contents(&ramdisks);
    signed.signature = Some(&section);
    let bytes = signed.write().unwrap();
    let signed = EnclaveImage::parse(&bytes).unwrap();
    let measured = signed.measure();
    assert_eq!(measured.pcr0, pcr0());
    // SHA384(0^48 || SHA384(01 02 03)), computed with another implementation.
    assert_eq!(hex::encode(measured.pcr8.unwrap()), PCR8);
    let signature = signed.signature().unwrap();
    assert_eq!(signature.certificate(), DER);
    assert_eq!(signature.protected_header(), [0xa1, 0x01, 0x38, 0x22]);
    assert_eq!(signature.signature(), [7; 96]);
    assert_eq!(signature.to_be_signed(), to_be_signed(&pcr0()));
}

/// RFC 9052, section 4.4, around serde_cbor's encoding of index and value: an array of integers.
#[test]
fn what_is_signed_is_the_register_as_awss_tool_writes_it() {
    let signed = to_be_signed(&[0x17; 48]);
    let register = [
        b"\xa2\x6eregister_index\x00\x6eregister_value\x98\x30".to_vec(),
        vec![0x17; 48],
    ]
    .concat();
    let head = b"\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40\x58".to_vec();
    let length = vec![u8::try_from(register.len()).unwrap()];
    assert_eq!(signed, [head, length, register].concat());
}

#[test]
fn a_signature_over_another_images_pcr0_is_refused() {
    let section = signature_section(&[9; 48], PEM, &[7; 96]);
    assert_eq!(refused(&section), BadSignature::OtherImage);
    assert_eq!(with(&signature_section(&pcr0(), PEM, &[7; 96])), Ok(()));
}

#[test]
fn a_signature_over_another_register_is_refused() {
    let section = signature_section(&pcr0(), PEM, &[7; 96]);
    // `register_index` and its value, within a CBOR array of integers above 23.
    let name: Vec<u8> = b"index".iter().flat_map(|byte| [0x18, *byte]).collect();
    let at = section.windows(10).position(|part| part == name).unwrap() + 10;
    let mut other = section.clone();
    assert_eq!(other[at], 0);
    other[at] = 1;
    assert_eq!(refused(&other), BadSignature::OtherRegister { found: 1 });
}

#[test]
fn a_signature_section_cut_or_extended_anywhere_is_refused() {
    let section = signature_section(&pcr0(), PEM, &[7; 96]);
    for length in 0..section.len() {
        assert_eq!(
            refused(&section[..length]).code(),
            "image-signature-malformed",
            "{length}"
        );
    }
    let longer = [section.as_slice(), &[0]].concat();
    assert_eq!(refused(&longer).code(), "image-signature-malformed");
    // 2^63 declared integers reserve nothing.
    let mut huge = section;
    let head = [0x98, u8::try_from(PEM.len()).unwrap()];
    let at = huge.windows(2).position(|part| part == head).unwrap();
    huge.splice(at..at + 2, [0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(refused(&huge).code(), "image-signature-malformed");
}

/// What [`signature_section`] writes, by hand.
#[test]
fn a_signature_section_has_the_bytes_of_awss_tool() {
    let by_hand = section(&[("signing_certificate", PEM), ("signature", &cose())]);
    assert_eq!(by_hand, signature_section(&pcr0(), PEM, &[7; 96]));
    let other_order = section(&[("signature", &cose()), ("signing_certificate", PEM)]);
    assert_eq!(with(&other_order), Ok(()));
}

#[test]
fn a_tag_is_that_of_cose_sign1_or_none() {
    let tagged = |tags: &[u8]| {
        let cose = [tags, &cose()].concat();
        section(&[("signing_certificate", PEM), ("signature", &cose)])
    };
    assert_eq!(with(&tagged(&[0xd2])), Ok(()));
    for other in [&[0xd1][..], &[0xd3], &[0xd2, 0xd2], &[0xd8, 0x62]] {
        assert!(malformed(&tagged(other)), "{other:02x?}");
    }
}

/// The same content under another count, or none: readers that skip or stop early would differ on it.
#[test]
fn every_array_and_map_of_a_signature_section_has_its_count() {
    let wrapped = |cose: &[u8]| section(&[("signing_certificate", PEM), ("signature", cose)]);
    let changed = |bytes: &[u8], place: usize, from: u8, to: u8| {
        let mut bytes = bytes.to_vec();
        assert_eq!(bytes[place], from);
        bytes[place] = to;
        bytes
    };
    let outer = wrapped(&cose());
    for to in [0x80, 0x82, 0x9f] {
        assert!(malformed(&changed(&outer, 0, 0x81, to)), "{to:02x}");
    }
    for to in [0xa0, 0xa1, 0xa3, 0xbf] {
        assert!(malformed(&changed(&outer, 1, 0xa2, to)), "{to:02x}");
        // Past the COSE array's head, its protected header and empty map, and a length of two bytes.
        let register = changed(&cose(), 9, 0xa2, to);
        assert!(malformed(&wrapped(&register)), "{to:02x}");
    }
    for to in [0x83, 0x85, 0x9f] {
        assert!(malformed(&wrapped(&changed(&cose(), 0, 0x84, to))));
    }
    for to in [0xa1, 0xbf] {
        assert!(malformed(&wrapped(&changed(&cose(), 6, 0xa0, to))));
    }
}

#[test]
fn a_key_that_is_unknown_or_there_twice_is_refused() {
    let (pem, cose) = (("signing_certificate", PEM), ("signature", &*cose()));
    for entries in [[pem, pem], [cose, cose], [pem, ("signatures", cose.1)]] {
        assert!(malformed(&section(&entries)), "{}", entries[1].0);
    }
    let index = b"\x6eregister_index\x00".to_vec();
    let value = [b"\x6eregister_value".to_vec(), integers(&pcr0())].concat();
    let other = b"\x6eregister_count\x00".to_vec();
    let signed = |first: &[u8], second: &[u8]| {
        let cose = cose_over(&[&[0xa2], first, second].concat());
        section(&[pem, ("signature", &cose)])
    };
    assert_eq!(with(&signed(&value, &index)), Ok(()));
    for [first, second] in [[&index, &index], [&value, &value], [&value, &other]] {
        assert!(malformed(&signed(first, second)), "{first:02x?}");
    }
}

#[test]
fn a_certificate_is_pem() {
    for pem in [
        &b"no PEM"[..],
        b"-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----\n",
    ] {
        let section = signature_section(&pcr0(), pem, &[7; 96]);
        assert_eq!(refused(&section), BadSignature::Certificate);
    }
}

/// An array of one map of these entries, each an array of integers.
fn section(entries: &[(&str, &[u8]); 2]) -> Vec<u8> {
    let mut section = vec![0x81, 0xa2];
    for (key, bytes) in entries {
        section.push(0x60 | u8::try_from(key.len()).unwrap());
        section.extend_from_slice(key.as_bytes());
        section.extend(integers(bytes));
    }
    section
}

fn cose() -> Vec<u8> {
    let index = b"\xa2\x6eregister_index\x00\x6eregister_value".to_vec();
    cose_over(&[index, integers(&pcr0())].concat())
}

/// An untagged COSE_Sign1: ES384, an empty map, payload and signature.
fn cose_over(payload: &[u8]) -> Vec<u8> {
    let head = b"\x84\x44\xa1\x01\x38\x22\xa0\x58";
    let length = [u8::try_from(payload.len()).unwrap()];
    let signature = [&[0x58, 96][..], &[7; 96]].concat();
    [head, &length[..], payload, &signature].concat()
}

/// A CBOR array of integers: up to 23 a byte each, above two.
fn integers(bytes: &[u8]) -> Vec<u8> {
    let mut array = match u16::try_from(bytes.len()).unwrap() {
        length @ 0..=23 => vec![0x80 | length.to_be_bytes()[1]],
        length @ 24..=255 => vec![0x98, length.to_be_bytes()[1]],
        length => [vec![0x99], length.to_be_bytes().to_vec()].concat(),
    };
    for byte in bytes {
        if *byte > 23 {
            array.push(0x18);
        }
        array.push(*byte);
    }
    array
}

const PCR8: &str = "9801a5b771b3f9d9169218a8a4a55433f1a668d9cbf86092ce6dd744b98745c69ae17ba60857a3fdbfa5c4b8fad3ee07";
