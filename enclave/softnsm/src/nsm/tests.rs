use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::reading::{Read, chain_holds, window_s};

use super::*;

const NOW_MS: u64 = 1_767_472_867_402;
const MEASURED: Measurement = Measurement {
    pcr0: [0xa0; 48],
    pcr1: [0xa1; 48],
    pcr2: [0xa2; 48],
};

fn config(faults: Faults) -> SoftNsmConfig {
    SoftNsmConfig {
        clock: Box::new(|| NOW_MS),
        faults,
        ..SoftNsmConfig::new(MEASURED).unwrap()
    }
}

fn module(faults: Faults) -> (RootAuthority, SoftNsm) {
    let root = RootAuthority::generate(NOW_MS).unwrap();
    let nsm = SoftNsm::new(&root, config(faults)).unwrap();
    (root, nsm)
}

fn attest(nsm: &SoftNsm) -> Read {
    Read::document(&nsm.attest(None, None, None).unwrap())
}

#[test]
fn a_document_reads_back_as_what_was_attested() {
    let (root, nsm) = module(Faults::default());
    let bytes = nsm
        .attest(Some(b"user data"), Some(b""), Some(&[7; 1024]))
        .unwrap();
    let read = Read::document(&bytes);
    assert!(read.signature_holds());
    assert_eq!(
        chain_holds(&read.certificates(), root.root_der(), NOW_MS),
        Ok(())
    );
    assert_eq!(read.payload.cabundle[0], root.root_der());
    assert_eq!(read.payload.module_id, nsm.module_id().to_string());
    assert_eq!(read.payload.digest, "SHA384");
    assert_eq!(read.payload.timestamp_ms, NOW_MS);
    assert_eq!(read.payload.user_data.as_deref(), Some(&b"user data"[..]));
    assert_eq!(read.payload.nonce.as_deref(), Some(&b""[..]));
    assert_eq!(read.payload.public_key.as_deref(), Some(&[7; 1024][..]));
    assert_eq!(read.payload.pcrs[&0], MEASURED.pcr0);
    assert_eq!(read.payload.pcrs[&1], MEASURED.pcr1);
    assert_eq!(read.payload.pcrs[&2], MEASURED.pcr2);
    assert_eq!(nsm.measurement(), MEASURED);
}

#[test]
fn the_payload_has_the_fields_of_hardware_in_their_order_and_form() {
    let (root, nsm) = module(Faults::default());
    let read = attest(&nsm);
    assert!(!read.definite);
    assert_eq!(
        read.keys,
        [
            "module_id",
            "digest",
            "timestamp",
            "pcrs",
            "certificate",
            "cabundle",
            "public_key",
            "user_data",
            "nonce"
        ]
    );
    let (payload, indefinite) = (read.payload, read.payload_bytes);
    assert_eq!(
        (&payload.public_key, &payload.user_data, &payload.nonce),
        (&None, &None, &None)
    );
    assert_eq!(
        payload.pcrs.keys().copied().collect::<Vec<_>>(),
        (0..16).collect::<Vec<_>>()
    );
    assert!(payload.pcrs.values().all(|value| value.len() == PCR_LEN));
    // The form is the only difference: one byte at the head, one at the end.
    let definite = payload.encode(true);
    assert_eq!((definite[0], indefinite[0]), (0xa9, 0xbf));
    assert_eq!(definite[1..], indefinite[1..indefinite.len() - 1]);
    let old = SoftNsmConfig {
        definite: true,
        ..config(Faults::default())
    };
    assert!(attest(&SoftNsm::new(&root, old).unwrap()).definite);
}

#[test]
fn a_changed_payload_is_not_what_was_signed() {
    let (_, nsm) = module(Faults::default());
    let mut read = attest(&nsm);
    assert!(read.signature_holds());
    let last = read.payload_bytes.len() - 1;
    read.payload_bytes[last] ^= 1;
    assert!(!read.signature_holds());
}

#[test]
fn data_longer_than_an_nsm_takes_is_refused_by_name() {
    let (_, nsm) = module(Faults::default());
    let long = [0; 1025];
    for (outcome, name) in [
        (nsm.attest(Some(&long), None, None), "user_data"),
        (nsm.attest(None, Some(&long), None), "nonce"),
        (nsm.attest(None, None, Some(&long)), "public_key"),
    ] {
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, SoftNsmError::InputTooLarge { field, found: 1025 } if field == name)
        );
    }
    assert!(
        nsm.attest(Some(&long[1..]), Some(&long[1..]), Some(&long[1..]))
            .is_ok()
    );
}

#[test]
fn an_extended_register_appears_in_the_document() {
    let (_, nsm) = module(Faults::default());
    let value = nsm.extend_pcr(16, b"model digest").unwrap();
    nsm.lock_pcr(16).unwrap();
    let again = nsm.extend_pcr(16, b"more").unwrap_err();
    assert!(matches!(again, SoftNsmError::Pcr(PcrError::Locked(16))));
    let read = attest(&nsm);
    assert_eq!(read.payload.pcrs.len(), 17);
    assert_eq!(read.payload.pcrs[&16], value);
    assert_eq!(
        nsm.describe_pcr(16).unwrap(),
        PcrState {
            locked: true,
            value
        }
    );
    nsm.lock_pcrs(32).unwrap();
    assert!(nsm.describe_pcr(31).unwrap().locked);
}

#[test]
fn documents_share_a_leaf_until_the_clock_calls_for_another() {
    let root = RootAuthority::generate(NOW_MS).unwrap();
    let now_ms = Arc::new(AtomicU64::new(NOW_MS));
    let clock = Arc::clone(&now_ms);
    let moved = SoftNsmConfig {
        clock: Box::new(move || clock.load(Ordering::Relaxed)),
        ..config(Faults::default())
    };
    let nsm = SoftNsm::new(&root, moved).unwrap();
    let first = attest(&nsm);
    now_ms.store(NOW_MS + 2 * 3_600_000, Ordering::Relaxed);
    let second = attest(&nsm);
    assert_eq!(first.payload.certificate, second.payload.certificate);
    assert_eq!(second.payload.timestamp_ms, NOW_MS + 2 * 3_600_000);
    now_ms.store(NOW_MS + 3 * 3_600_000, Ordering::Relaxed);
    let third = attest(&nsm);
    assert_ne!(first.payload.certificate, third.payload.certificate);
    assert!(third.signature_holds());
}

#[test]
fn random_bytes_differ_each_time() {
    let (_, nsm) = module(Faults::default());
    let (mut a, mut b) = ([0; 32], [0; 32]);
    nsm.random(&mut a).unwrap();
    nsm.random(&mut b).unwrap();
    assert_ne!(a, [0; 32]);
    assert_ne!(a, b);
}

#[test]
fn a_debug_enclave_shows_zeros_but_for_its_instance() {
    let (root, nsm) = module(Faults {
        debug_pcrs: true,
        ..Faults::default()
    });
    let read = attest(&nsm);
    for index in 0..3 {
        assert_eq!(read.payload.pcrs[&index], [0; 48]);
        assert_eq!(nsm.describe_pcr(index).unwrap().value, [0; 48]);
    }
    assert_ne!(read.payload.pcrs[&4], [0; 48]);
    assert!(read.signature_holds());
    assert_eq!(
        chain_holds(&read.certificates(), root.root_der(), NOW_MS),
        Ok(())
    );
    assert_eq!(nsm.measurement(), MEASURED);
}

#[test]
fn a_wrong_image_differs_in_register_0_alone() {
    let (_, nsm) = module(Faults {
        wrong_pcr0: true,
        ..Faults::default()
    });
    let read = attest(&nsm);
    assert_ne!(read.payload.pcrs[&0], MEASURED.pcr0);
    assert_ne!(read.payload.pcrs[&0], [0; 48]);
    assert_eq!(read.payload.pcrs[&1], MEASURED.pcr1);
    assert_eq!(read.payload.pcrs[&2], MEASURED.pcr2);
    assert!(read.signature_holds());
}

#[test]
fn an_expired_leaf_is_all_that_has_expired() {
    let (root, nsm) = module(Faults {
        expired_leaf: true,
        ..Faults::default()
    });
    let read = attest(&nsm);
    assert!(read.signature_holds());
    assert_eq!(read.payload.timestamp_ms, NOW_MS);
    let certificates = read.certificates();
    assert!(matches!(
        chain_holds(&certificates, root.root_der(), NOW_MS),
        Err(webpki::Error::CertExpired { .. })
    ));
    assert_eq!(window_s(&certificates.leaf).1, NOW_MS / 1000 - 3600);
    for der in &certificates.cabundle {
        let (from_s, until_s) = window_s(der);
        assert!(from_s <= NOW_MS / 1000 && NOW_MS / 1000 <= until_s);
    }
}

#[test]
fn a_clock_offset_moves_the_timestamp_and_the_certificates() {
    for offset_ms in [-600_000, 600_000] {
        let (root, nsm) = module(Faults {
            clock_offset_ms: offset_ms,
            ..Faults::default()
        });
        let read = attest(&nsm);
        let shifted_ms = NOW_MS.checked_add_signed(offset_ms).unwrap();
        assert_eq!(read.payload.timestamp_ms, shifted_ms);
        assert_eq!(window_s(&read.payload.certificate).0, shifted_ms / 1000 - 3);
        assert_eq!(
            chain_holds(&read.certificates(), root.root_der(), shifted_ms),
            Ok(())
        );
    }
}

#[test]
fn an_offset_past_all_time_is_refused() {
    let root = RootAuthority::generate(NOW_MS).unwrap();
    for clock_offset_ms in [i64::MIN, i64::MAX] {
        let outcome = SoftNsm::new(
            &root,
            config(Faults {
                clock_offset_ms,
                ..Faults::default()
            }),
        );
        let error = outcome.err().expect("must be refused");
        assert!(matches!(
            error,
            SoftNsmError::Issue(IssueError::ClockOutOfRange { .. })
        ));
    }
}

#[test]
fn a_slow_module_takes_its_time() {
    let attest_delay = Duration::from_millis(50);
    let (_, nsm) = module(Faults {
        attest_delay,
        ..Faults::default()
    });
    let begun = Instant::now();
    attest(&nsm);
    assert!(begun.elapsed() >= attest_delay);
}

#[test]
fn a_module_is_shared_between_threads() {
    let (_, nsm) = module(Faults::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(attest(&nsm).signature_holds()));
        }
    });
}
