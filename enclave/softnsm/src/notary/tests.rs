use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::reading::{chain_holds, window_s};

const NOW_MS: u64 = 1_767_472_867_402;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

fn notary() -> (RootAuthority, Notary) {
    let root = RootAuthority::generate(NOW_MS).unwrap();
    let module = ModuleId::generate(NOW_MS).unwrap();
    let notary = Notary::new(&root, &module, NOW_MS).unwrap();
    (root, notary)
}

fn parse(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty());
    certificate
}

#[test]
fn the_chain_holds_at_both_edges_of_the_leaf_and_not_a_second_beyond() {
    let (root, notary) = notary();
    let certificates = notary.certificates();
    let (from_s, until_s) = window_s(&certificates.leaf);
    assert_eq!(
        (from_s, until_s),
        (NOW_MS / 1000 - 3, NOW_MS / 1000 + 3 * 3600)
    );
    let at = |seconds: u64| chain_holds(&certificates, root.root_der(), seconds * 1000);
    assert_eq!(at(from_s), Ok(()));
    assert_eq!(at(until_s), Ok(()));
    assert!(matches!(
        at(from_s - 1),
        Err(webpki::Error::CertNotValidYet { .. })
    ));
    assert!(matches!(
        at(until_s + 1),
        Err(webpki::Error::CertExpired { .. })
    ));
}

#[test]
fn the_chain_does_not_hold_under_another_root() {
    let (_, notary) = notary();
    let other = RootAuthority::generate(NOW_MS).unwrap();
    assert!(chain_holds(&notary.certificates(), other.root_der(), NOW_MS).is_err());
}

#[test]
fn each_authority_has_the_path_length_and_lifetime_of_its_level() {
    let (root, notary) = notary();
    let certificates = notary.certificates();
    assert_eq!(certificates.cabundle.len(), 4);
    assert_eq!(certificates.cabundle[0], root.root_der());
    for (der, path_len, digital_signature) in [
        (&certificates.cabundle[0], None, true),
        (&certificates.cabundle[1], Some(2), true),
        (&certificates.cabundle[2], Some(1), true),
        (&certificates.cabundle[3], Some(0), false),
    ] {
        let certificate = parse(der);
        let constraints = certificate.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, path_len);
        let usage = certificate.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign());
        assert_eq!(usage.value.digital_signature(), digital_signature);
    }
    let (from_s, until_s) = window_s(&certificates.cabundle[3]);
    assert_eq!(until_s - from_s, 24 * 3600);
}

#[test]
fn the_leaf_is_no_authority_and_signs_only() {
    let (_, notary) = notary();
    let certificates = notary.certificates();
    let leaf = parse(&certificates.leaf);
    let constraints = leaf.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && !constraints.value.ca);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(!usage.critical && usage.value.digital_signature());
    assert!(!usage.value.key_cert_sign());
    // Nothing beside those two: no key identifiers, no EKU, no SAN.
    assert_eq!(leaf.extensions().len(), 2);
    assert_eq!(
        leaf.raw_serial()[leaf.raw_serial().len() - 8..],
        (NOW_MS / 1000).to_be_bytes()
    );
}

#[test]
fn every_certificate_is_p384_says_mock_and_fits_a_document() {
    let (_, notary) = notary();
    let Certificates { leaf, cabundle } = notary.certificates();
    for der in cabundle.iter().chain([&leaf]) {
        assert!((1..=1024).contains(&der.len()), "{} bytes", der.len());
        let certificate = parse(der);
        assert_eq!(
            certificate.signature_algorithm.algorithm.to_id_string(),
            "1.2.840.10045.4.3.3"
        );
        assert_eq!(certificate.public_key().subject_public_key.data.len(), 97);
        for name in [certificate.subject(), certificate.issuer()] {
            let common_name = name.iter_common_name().next().unwrap().as_str().unwrap();
            assert!(common_name.contains("sealsum-mock"), "{common_name}");
            assert!(common_name.len() <= 64, "{common_name}");
            let unit = name
                .iter_organizational_unit()
                .next()
                .unwrap()
                .as_str()
                .unwrap();
            assert_eq!(unit, "Mock");
        }
        let has_names_or_eku = certificate.extensions().iter().any(|extension| {
            matches!(
                extension.parsed_extension(),
                ParsedExtension::SubjectAlternativeName(_) | ParsedExtension::ExtendedKeyUsage(_)
            )
        });
        assert!(!has_names_or_eku);
    }
}

#[test]
fn a_leaf_is_reused_until_forty_minutes_before_its_end() {
    let (_, mut notary) = notary();
    let first = notary.certificates();
    notary.renew(NOW_MS + 2 * HOUR_MS + 19 * MINUTE_MS).unwrap();
    assert_eq!(notary.certificates(), first);
    notary.renew(NOW_MS + 2 * HOUR_MS + 20 * MINUTE_MS).unwrap();
    let second = notary.certificates();
    assert_ne!(second.leaf, first.leaf);
    assert_eq!(second.cabundle, first.cabundle);
}

#[test]
fn an_instance_certificate_is_renewed_before_a_leaf_could_outlive_it() {
    let (root, mut notary) = notary();
    let first = notary.certificates();
    let mut now_ms = NOW_MS;
    // 30 days in steps of 40 min: every level falls due at some step.
    while now_ms < NOW_MS + 30 * DAY_MS {
        notary.renew(now_ms).unwrap();
        let certificates = notary.certificates();
        assert_eq!(chain_holds(&certificates, root.root_der(), now_ms), Ok(()));
        let (_, mut ends_s) = window_s(&certificates.leaf);
        assert!(ends_s * 1000 >= now_ms + 40 * MINUTE_MS);
        for der in certificates.cabundle.iter().rev() {
            let (_, until_s) = window_s(der);
            assert!(until_s >= ends_s, "outlives its issuer");
            ends_s = until_s;
        }
        now_ms += 40 * MINUTE_MS;
    }
    let last = notary.certificates();
    assert_eq!(last.cabundle[0], first.cabundle[0]);
    for level in 1..4 {
        assert_ne!(last.cabundle[level], first.cabundle[level]);
    }
}

#[test]
fn a_clock_that_goes_back_gets_certificates_valid_there() {
    let (root, mut notary) = notary();
    let earlier_ms = NOW_MS - 2 * HOUR_MS;
    assert!(chain_holds(&notary.certificates(), root.root_der(), earlier_ms).is_err());
    notary.renew(earlier_ms).unwrap();
    assert_eq!(
        chain_holds(&notary.certificates(), root.root_der(), earlier_ms),
        Ok(())
    );
}

#[test]
fn a_time_that_no_certificate_can_say_is_refused_and_changes_nothing() {
    let (_, mut notary) = notary();
    let before = notary.certificates();
    for now_ms in [0, 946_684_799_999, 7_258_118_400_000, u64::MAX] {
        let error = notary.renew(now_ms).unwrap_err();
        assert!(matches!(error, IssueError::ClockOutOfRange { found_ms } if found_ms == now_ms));
    }
    assert_eq!(notary.certificates(), before);
}

#[test]
fn any_payload_bytes_are_signed_as_they_are() {
    let (_, notary) = notary();
    let document = notary.sign_payload(b"no CBOR at all").unwrap();
    let payload_at = 8;
    assert_eq!(document[7], 0x40 + 14);
    assert_eq!(document[payload_at..payload_at + 14], *b"no CBOR at all");
}
