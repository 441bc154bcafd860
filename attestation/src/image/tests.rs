//! Modes and images of real documents, each beside the policy that decides otherwise.

use super::*;
use crate::{MeasurementEntry, PcrIndex, PinnedRoot, PolicyFile, UnverifiedDocument};

const PRODUCTION: &[u8] =
    include_bytes!("../../testdata/base-nitro-validator-20241130-prod-69d51f.cbor");
const DEBUG: &[u8] = include_bytes!("../../testdata/blocky-20240907-debug-f67dfb.cbor");

fn authentic(bytes: &[u8]) -> AuthenticDocument {
    let document = UnverifiedDocument::parse(bytes).unwrap();
    let at = document.timestamp();
    let policy = policy(false, vec![entry("none", ["11", "22", "33"])]);
    assert_eq!(policy.root(), &PinnedRoot::aws_nitro());
    document.authenticate(&policy, at).unwrap()
}

fn entry(label: &str, pcrs: [&str; 3]) -> MeasurementEntry {
    let [pcr0, pcr1, pcr2] = pcrs.map(|digits| match digits.len() {
        2 => digits.repeat(48),
        _ => digits.to_owned(),
    });
    MeasurementEntry {
        label: label.to_owned(),
        pcr0,
        pcr1,
        pcr2,
        pcr3: None,
        pcr4: None,
        pcr8: None,
    }
}

/// A policy under AWS's root; `debug` asks for AWS's debug enclaves, as mocks.
fn policy(debug: bool, measurements: Vec<MeasurementEntry>) -> AppraisalPolicy {
    PolicyFile {
        root: "aws-nitro".to_owned(),
        mock: debug,
        max_age_seconds: 300,
        clock_skew_seconds: 10,
        allow_debug: debug,
        measurements,
        publishers: Vec::new(),
    }
    .into_policy(None)
    .unwrap()
}

#[test]
fn a_debug_enclave_passes_as_a_mock_only_and_a_production_enclave_never_does() {
    let other = || vec![entry("none", ["11", "22", "33"])];
    let (strict, lax) = (policy(false, other()), policy(true, other()));
    let [production, debug] = [PRODUCTION, DEBUG].map(authentic);
    assert_eq!(require_mode(&production, &strict), Ok(()));
    assert_eq!(
        require_mode(&debug, &strict),
        Err(Rejection::DebugMode {
            register: PcrIndex::IMAGE
        })
    );
    assert_eq!(require_mode(&debug, &lax), Ok(()));
    assert_eq!(
        require_mode(&production, &lax),
        Err(Rejection::ProductionUnderMock)
    );
}

#[test]
fn a_mismatch_is_told_of_the_image_that_comes_closest() {
    let document = authentic(PRODUCTION);
    let real = [PcrIndex::IMAGE, PcrIndex::KERNEL, PcrIndex::APPLICATION].map(|index| {
        let found = document.document().measurement().pcr(index).unwrap();
        found.to_string()
    });
    let (far, near) = (
        || entry("far", ["11", "22", "33"]),
        || entry("near", [&real[0], &real[1], "33"]),
    );
    let told = |entries| {
        let policy = policy(false, entries);
        match known_image(&document, &policy, UnixMillis(0)).unwrap_err() {
            Rejection::WrongPcr { label, index, .. } => (label, index),
            other => panic!("{other:?}"),
        }
    };
    let expected = ("near".to_owned(), PcrIndex::APPLICATION);
    assert_eq!(told(vec![far(), near()]), expected);
    assert_eq!(told(vec![near(), far()]), expected);
    // Of two that are equally far, the one that is named first.
    let farther = entry("farther", ["44", "55", "66"]);
    assert_eq!(told(vec![far(), farther]).0, "far");
}
