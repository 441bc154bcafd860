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

const PCR8: &str = "9801a5b771b3f9d9169218a8a4a55433f1a668d9cbf86092ce6dd744b98745c69ae17ba60857a3fdbfa5c4b8fad3ee07";
