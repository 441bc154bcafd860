//! The same round again: with what was sealed, and with something else.

use core::time::Duration;

use super::*;

/// Another update, or another weight, while the first is under way and once it is accepted.
#[tokio::test]
async fn another_update_to_a_sealed_round_is_refused_and_nothing_of_it_is_sent() {
    let mut site = Site::new().await;
    site.fake
        .with(|parent| parent.uploads = [Upload::Problem(500, "storage")].into());
    site.contribute(&VALUES).await.unwrap_err();
    let mut other = VALUES;
    other[9] = 4.000_000_1;
    for accepted in [false, true] {
        let sent = site.uploads().len();
        for (values, weight) in [(&other, 1), (&VALUES, 2)] {
            let refused = site.resend(values, weight).await.unwrap_err();
            assert!(
                matches!(&refused, ContributeRefused::OtherUpdate(record) if record.round_id == site.round_id()),
                "{refused}"
            );
        }
        let refused = site.contribute(&other).await.unwrap_err();
        let words = refused.to_string();
        assert!(
            words.contains("Nothing of the update given now was sent"),
            "{words}"
        );
        assert!(!words.contains("4.0"), "a value is private: {words}");
        assert_eq!(site.uploads().len(), sent);
        if !accepted {
            assert!(site.contribute(&VALUES).await.unwrap().resent);
        }
    }
    assert_eq!(site.used(), 1);
}

#[tokio::test]
async fn what_was_sealed_before_fingerprints_were_kept_is_sent_and_said_not_to_be_compared() {
    let mut site = Site::new().await;
    site.fake
        .with(|parent| parent.uploads = [Upload::Problem(500, "storage")].into());
    site.contribute(&VALUES).await.unwrap_err();
    let path = site.folder.path().join("ledger-mock.db");
    let ledger = rusqlite::Connection::open(path).unwrap();
    let forget = "UPDATE contributions SET fingerprint = NULL";
    assert_eq!(ledger.execute(forget, []).unwrap(), 1);
    drop(ledger);
    let contributed = site.contribute(&[1.0; 10]).await.unwrap();
    assert!(contributed.resent && !contributed.compared);
}

#[tokio::test]
async fn a_fingerprint_is_of_no_use_without_the_identitys_key() {
    let (ours, theirs) = (Site::new().await, Site::new().await);
    let update = Update::from_values(VALUES.to_vec());
    let of = |site: &Site| *site.client.ledger.fingerprint(&update, 1).as_bytes();
    assert_eq!(of(&ours), of(&ours));
    assert_ne!(of(&ours), of(&theirs));
}

/// A parent that takes all the bytes and then drips its answer, to hold the ledger.
#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_and_the_same_bytes_go_again() {
    let mut site = Site::new().await;
    let parent = site.fake.parent.clone();
    site.client.parent = parent.with_standstill(Duration::from_millis(300));
    site.fake
        .with(|parent| parent.uploads = [Upload::Drip].into());
    let refused = site.contribute(&VALUES).await.unwrap_err().to_string();
    assert!(refused.contains("stood still"), "{refused}");
    assert!(site.contribute(&VALUES).await.unwrap().resent);
    let uploads = site.uploads();
    assert_eq!(uploads.len(), 2);
    assert!(uploads[0] == uploads[1], "other bytes");
    assert_eq!(site.used(), 1);
}

#[tokio::test]
async fn a_masked_update_that_was_damaged_or_lost_is_not_sent_and_no_other_is_sealed() {
    let mut site = Site::new().await;
    site.fake
        .with(|parent| parent.uploads = [Upload::Problem(500, "storage")].into());
    site.contribute(&VALUES).await.unwrap_err();
    let path = site.folder.path().join("ledger-mock.db.outbox");
    let good = std::fs::read(&path).unwrap();
    let mut changed = good.clone();
    changed[3] ^= 4;
    for damaged in [Some(changed), Some(good[1..].to_vec()), None] {
        match damaged {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let refused = [
            site.contribute(&VALUES).await.unwrap_err(),
            site.resend(&VALUES, 1).await.unwrap_err(),
        ];
        for refused in refused {
            assert!(
                matches!(
                    refused,
                    ContributeRefused::Ledger(LedgerError::MaskedUpdate { .. })
                ),
                "{refused}"
            );
        }
        assert_eq!((site.uploads().len(), site.used()), (1, 1));
    }
    std::fs::write(&path, good).unwrap();
    assert!(site.contribute(&VALUES).await.unwrap().resent);
    let uploads = site.uploads();
    assert!(uploads[0] == uploads[1], "other bytes");
    // Accepted: what lies there still is nothing to send.
    let again = site.contribute(&VALUES).await.unwrap();
    assert_eq!((again.uploaded_bytes, site.uploads().len()), (0, 2));
}
