//! Images: measured, and refused where they are malformed.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use sealsum_eif::{EnclaveImage, signature_section, to_be_signed};
use sha2::{Digest as _, Sha384};

use crate::desk::{Desk, contents, hex_of, image, image_registers};

#[test]
fn an_image_is_measured_with_the_names_that_scripts_expect() {
    let desk = Desk::furnished();
    let said = desk.say("measure image.eif");
    assert_eq!(said.exit, 0);
    for (name, expected) in ["PCR0", "PCR1", "PCR2"].iter().zip(image_registers()) {
        assert_eq!(said.text(&format!("/{name}")), expected);
    }
    assert!(said.json.get("PCR8").is_none());
    assert_eq!(said.text("/architecture"), "x86_64");
    assert_eq!(said.text("/cmdline"), "reboot=k panic=30");
    assert_eq!(said.text("/metadata/ImageName"), "sealsum-enclave");
    assert_eq!(said.json["sections"].as_array().unwrap().len(), 5);
    let digest = desk.shell("sha256sum image.eif | cut -d' ' -f1");
    let digest = String::from_utf8(digest.stdout).unwrap();
    assert_eq!(said.text("/eif_sha256"), digest.trim());
    let (_, text) = desk.tell("measure image.eif");
    assert!(
        text.contains(&format!("PCR2       {}", image_registers()[2])),
        "{text}"
    );
}

#[test]
fn a_malformed_image_is_refused_with_its_reason_and_place() {
    let desk = Desk::empty();
    let mut damaged = image();
    *damaged.last_mut().unwrap() ^= 1;
    desk.write("damaged.eif", &damaged);
    let said = desk.say("measure damaged.eif");
    assert_eq!(said.refusal(), (1, "image-checksum"));
    assert!(said.text("/error/detail").contains("at offset 544"));
    desk.write("cut.eif", &damaged[..600]);
    assert_eq!(
        desk.say("measure cut.eif").refusal(),
        (1, "image-section-truncated")
    );
    desk.write("text.eif", "not an image");
    assert_eq!(
        desk.say("measure text.eif").refusal(),
        (1, "image-too-short")
    );
    assert_eq!(desk.say("measure missing.eif").refusal(), (2, "file"));
}

/// The image, signed by a certificate of its own.
fn signed_image(change: impl FnOnce(&mut Vec<u8>)) -> (rcgen::Certificate, Vec<u8>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let pcr0 = EnclaveImage::parse(&image()).unwrap().measure().pcr0;
    let random = SystemRandom::new();
    let signer = EcdsaKeyPair::from_pkcs8(
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        &key.serialize_der(),
        &random,
    );
    let mut message = to_be_signed(&pcr0);
    change(&mut message);
    let signature = signer.unwrap().sign(&random, &message).unwrap();
    let section = signature_section(&pcr0, certificate.pem().as_bytes(), signature.as_ref());
    let ramdisks: [&[u8]; 2] = [b"boot", b"application"];
    let mut contents = contents(&ramdisks);
    contents.signature = Some(&section);
    let image = contents.write().unwrap();
    (certificate, image)
}

#[test]
fn a_signed_image_has_the_register_of_its_certificate() {
    let desk = Desk::empty();
    let (certificate, image) = signed_image(|_| {});
    desk.write("signed.eif", image);
    let said = desk.say("measure signed.eif");
    assert_eq!(said.exit, 0, "{}", said.json);
    assert_eq!(said.text("/signature"), "verified");
    assert_eq!(said.text("/PCR0"), image_registers()[0]);
    let der = Sha384::digest(certificate.der());
    let pcr8 = Sha384::new_with_prefix([0; 48])
        .chain_update(der)
        .finalize();
    assert_eq!(said.text("/PCR8"), hex_of(pcr8));
    let policy = desk.say("policy new --from signed.eif --pcr 8");
    let pcr8 = format!("pcr8 = \"{}\"", said.text("/PCR8"));
    assert!(policy.text("/policy").contains(&pcr8));
}

#[test]
fn an_image_whose_signature_does_not_verify_has_no_measurement() {
    let desk = Desk::empty();
    let (_, forged) = signed_image(|message| message[20] ^= 1);
    desk.write("forged.eif", forged);
    for line in ["measure forged.eif", "policy new --from forged.eif"] {
        assert_eq!(desk.say(line).refusal(), (1, "image-signature"), "{line}");
    }
}

/// Adversary: another's certificate, and a header that says the signature is of a kind that
/// is not read here, so that no one checks it.
#[test]
fn a_signature_whose_header_is_not_for_its_key_is_not_passed_over() {
    let desk = Desk::empty();
    let (certificate, _) = signed_image(|_| {});
    let pcr0 = EnclaveImage::parse(&image()).unwrap().measure().pcr0;
    let section = signature_section(&pcr0, certificate.pem().as_bytes(), &[7; 96]);
    let replace = |section: &[u8], from: &[u8], to: &[u8]| {
        let at = section
            .windows(from.len())
            .position(|window| window == from)
            .expect("the protected header");
        [&section[..at], to, &section[at + from.len()..]].concat()
    };
    let es384 = [0x18, 0xa1, 0x01, 0x18, 0x38, 0x18, 0x22];
    let es512 = [0x18, 0xa1, 0x01, 0x18, 0x38, 0x18, 0x23];
    let claimed = replace(&section, &es384, &es512);
    let ramdisks: [&[u8]; 2] = [b"boot", b"application"];
    let mut contents = contents(&ramdisks);
    contents.signature = Some(&claimed);
    desk.write("claimed.eif", contents.write().unwrap());
    for line in ["measure claimed.eif", "policy new --from claimed.eif"] {
        assert_eq!(desk.say(line).refusal(), (1, "image-signature"), "{line}");
    }
}

#[test]
fn what_stands_behind_a_signing_certificate_does_not_count_into_its_register() {
    let desk = Desk::empty();
    let (certificate, _) = signed_image(|_| {});
    let pcr0 = EnclaveImage::parse(&image()).unwrap().measure().pcr0;
    let longer = [certificate.der().as_ref(), &[0]].concat();
    let longer = pem::encode(&pem::Pem::new("CERTIFICATE", longer));
    let section = signature_section(&pcr0, longer.as_bytes(), &[7; 96]);
    let ramdisks: [&[u8]; 2] = [b"boot", b"application"];
    let mut contents = contents(&ramdisks);
    contents.signature = Some(&section);
    desk.write("longer.eif", contents.write().unwrap());
    let said = desk.say("measure longer.eif");
    assert_eq!(said.refusal(), (1, "image-signature-certificate"));
}

#[test]
fn metadata_and_signatures_are_short() {
    let desk = Desk::empty();
    let ramdisks: [&[u8]; 2] = [b"boot", b"application"];
    let mut exact = contents(&ramdisks);
    let metadata = format!("\"{}\"", "m".repeat(64 * 1024 - 2));
    exact.metadata = Some(metadata.as_bytes());
    desk.write("exact.eif", exact.write().unwrap());
    assert_eq!(desk.say("measure exact.eif").exit, 0);
    let longer = format!("\"{}\"", "m".repeat(64 * 1024 - 1));
    exact.metadata = Some(longer.as_bytes());
    let refused = exact.write().unwrap_err().to_string();
    assert!(
        refused.contains("65537 bytes, of at most 65536"),
        "{refused}"
    );
}
