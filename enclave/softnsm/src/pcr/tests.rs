use ring::digest::{SHA384, digest};

use super::*;

fn bank() -> PcrBank {
    PcrBank::booted([[1; 48], [2; 48], [3; 48]], "i-0368fa67e156d6d23")
}

#[test]
fn extending_hashes_the_old_value_and_the_data() {
    let mut bank = bank();
    let first = bank.extend(16, b"one").unwrap();
    assert_eq!(
        first[..],
        *digest(&SHA384, &[&[0; 48][..], b"one"].concat()).as_ref()
    );
    let second = bank.extend(16, b"two").unwrap();
    assert_eq!(
        second[..],
        *digest(&SHA384, &[&first[..], b"two"].concat()).as_ref()
    );
    assert_eq!(
        bank.describe(16).unwrap(),
        PcrState {
            locked: false,
            value: second
        }
    );
}

#[test]
fn the_platform_registers_are_locked_from_the_start() {
    let mut bank = bank();
    for index in 0..16 {
        let before = bank.describe(index).unwrap();
        assert!(before.locked);
        assert_eq!(bank.extend(index, b"x"), Err(PcrError::Locked(index)));
        assert_eq!(bank.lock(index), Err(PcrError::Locked(index)));
        assert_eq!(bank.describe(index).unwrap(), before);
    }
    for index in 16..PCR_COUNT {
        assert_eq!(
            bank.describe(index).unwrap(),
            PcrState {
                locked: false,
                value: [0; 48]
            }
        );
    }
}

#[test]
fn a_locked_register_keeps_its_value() {
    let mut bank = bank();
    let value = bank.extend(31, b"last").unwrap();
    bank.lock(31).unwrap();
    assert_eq!(bank.extend(31, b"more"), Err(PcrError::Locked(31)));
    assert_eq!(
        bank.describe(31).unwrap(),
        PcrState {
            locked: true,
            value
        }
    );
}

#[test]
fn locking_a_range_locks_the_first_ones_and_no_more() {
    let mut bank = bank();
    bank.lock(16).unwrap();
    bank.lock_first(18).unwrap();
    assert!(bank.describe(17).unwrap().locked);
    assert!(!bank.describe(18).unwrap().locked);
    bank.lock_first(32).unwrap();
    assert!(bank.describe(31).unwrap().locked);
}

#[test]
fn a_range_longer_than_the_bank_locks_nothing() {
    let mut bank = bank();
    assert_eq!(
        bank.lock_first(33),
        Err(PcrError::InvalidRange { found: 33 })
    );
    assert!(!bank.describe(16).unwrap().locked);
}

#[test]
fn there_is_no_register_32() {
    let mut bank = bank();
    let invalid = PcrError::InvalidIndex { found: 32 };
    assert_eq!(bank.describe(32), Err(PcrError::InvalidIndex { found: 32 }));
    assert_eq!(
        bank.extend(32, b"x"),
        Err(PcrError::InvalidIndex { found: 32 })
    );
    assert_eq!(bank.lock(32), Err(invalid));
}

#[test]
fn a_document_shows_sixteen_registers_and_those_extended() {
    let mut bank = bank();
    assert_eq!(
        bank.shown().into_keys().collect::<Vec<_>>(),
        (0..16).collect::<Vec<_>>()
    );
    bank.lock(17).unwrap();
    bank.extend(20, b"x").unwrap();
    assert_eq!(bank.shown().into_keys().skip(16).collect::<Vec<_>>(), [20]);
}

/// Instance and value of a document that hardware signed on 2026-01-03.
#[test]
fn register_4_measures_the_instance_as_hardware_does() {
    let hex: String = bank()
        .describe(4)
        .unwrap()
        .value
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hex,
        "245617239e18ae8eb5150c2be45200db1e6b1e483d94c81d8386171eaad6cf64\
         1a1c90f1571f185426c82f77783feb37",
    );
}
