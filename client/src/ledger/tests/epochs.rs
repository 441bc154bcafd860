//! Epochs of an authority's registries, and ledgers from before there were any.

use sealsum_protocol::{Admission, AuthoritySigner, RegistryGrant};

use super::*;
use crate::policy::AdmissionTerm;

fn authority() -> AuthoritySigner {
    AuthoritySigner::from_secret(&[4; 32])
}

/// A site whose policy pins the authority, or its one root.
fn site(admission: AdmissionTerm) -> Site {
    let mut site = Site::new();
    site.policy = site.nsm.policy_with(|file| {
        file.admission = admission;
        file.tasks.push("imaging".parse().unwrap());
    });
    site
}

/// Round `number` of a task, under an epoch of the authority.
fn round(task: &str, number: u8, epoch: u64) -> Round {
    let task: sealsum_protocol::TaskName = task.parse().unwrap();
    let root = Digest::new([7; 32]);
    let grant = RegistryGrant::sign(&authority(), &task, epoch, &root, 9, NOW);
    Round::with(number, |terms| {
        terms.task = task;
        terms.round_number = number.into();
        terms.base_model = other_model(number);
        terms.admission = Admission::Registry {
            root,
            size: 9,
            grant: Some(grant),
        };
    })
}

impl Site {
    /// Spends as far as the ledger goes; the credential is sealing's business.
    fn spend_in_epoch(&mut self, round: &Round) -> Result<(), SpendRefused> {
        let enclave = self.nsm.appraise(round);
        let model = round.binding.params.params.terms().base_model;
        let terms = self.policy.judge(&enclave, &model, NOW).unwrap();
        let debit = self.reserve(&terms)?;
        let seed = RoundingSeed::new([5; 32]);
        let update = Encoding::new(terms.params(), &[1.5; 10], 1, OutOfRange::Clamp, &seed);
        let encapsulation = enclave
            .encapsulate(&debit.client(), &mut crate::random::system())
            .unwrap();
        let sealed = sealsum_protocol::seal(encapsulation, update.unwrap()).unwrap();
        let _ = debit.commit(&round.binding, sealed, NOW)?;
        Ok(())
    }
}

#[test]
fn an_epoch_below_one_that_was_sealed_under_is_refused_ever_after() {
    let mut site = site(AdmissionTerm::Authority(authority().key()));
    site.spend_in_epoch(&round("wards", 1, 3)).unwrap();
    let mut site = {
        let policy = site.policy.clone();
        let mut site = site.reopen();
        site.policy = policy;
        site
    };
    assert!(matches!(
        site.spend_in_epoch(&round("wards", 2, 2)),
        Err(SpendRefused::OldEpoch {
            seen: 3,
            offered: 2
        })
    ));
    site.spend_in_epoch(&round("wards", 2, 3)).unwrap();
    // Above 2^63, where the column's sign bit is set.
    site.spend_in_epoch(&round("wards", 3, u64::MAX)).unwrap();
    assert!(matches!(
        site.spend_in_epoch(&round("wards", 4, 4)),
        Err(SpendRefused::OldEpoch { seen: u64::MAX, .. })
    ));
    // Another task counts its own.
    site.spend_in_epoch(&round("imaging", 5, 1)).unwrap();
    assert_eq!(site.used(), 4);
}

#[test]
fn an_epoch_is_recorded_with_the_spend_or_not_at_all() {
    let mut site = site(AdmissionTerm::Authority(authority().key()));
    let later = round("wards", 1, 9);
    let enclave = site.nsm.appraise(&later);
    let model = later.binding.params.params.terms().base_model;
    let terms = site.policy.judge(&enclave, &model, NOW).unwrap();
    drop(site.reserve(&terms).unwrap());
    site.spend_in_epoch(&round("wards", 2, 1)).unwrap();
}

#[test]
fn an_epoch_that_the_policy_did_not_judge_is_not_recorded() {
    let pinned = AdmissionTerm::Registry(Digest::new([7; 32]));
    let mut site = site(pinned);
    site.spend_in_epoch(&round("wards", 1, 9)).unwrap();
    site.policy = site.nsm.policy_with(|file| {
        file.admission = AdmissionTerm::Authority(authority().key());
    });
    site.spend_in_epoch(&round("wards", 2, 1)).unwrap();
}

#[test]
fn a_ledger_from_before_epochs_keeps_what_it_holds() {
    let mut site = Site::new();
    let first = Round::new(1);
    let sent = bytes(&site.spend(&first).unwrap());
    let site = site.with_rows(&first, 16);
    let Site {
        folder,
        ledger,
        nsm,
        ..
    } = site;
    drop(ledger);
    let path = folder.path().join("ledger-mock.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "DROP TABLE registry_epochs; DROP INDEX spent_whole_model;
        ALTER TABLE contributions DROP COLUMN in_outbox;
        ALTER TABLE contributions DROP COLUMN whole_model;
        ALTER TABLE contributions DROP COLUMN fingerprint; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let identity = Identity::load(folder.path()).unwrap();
    let ledger = Ledger::open(&identity, Trust::Mock).unwrap();
    assert_eq!(bytes(&ledger.stored(&first.id()).unwrap().unwrap()), sent);
    let version = |ledger: &Ledger| {
        let version = ledger
            .connection
            .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        version.unwrap()
    };
    assert_eq!(version(&ledger), schema::VERSION);
    drop(ledger);
    let mut site = Site {
        ledger: Ledger::open(&identity, Trust::Mock).unwrap(),
        folder,
        policy: nsm.policy_with(|file| {
            file.admission = AdmissionTerm::Authority(authority().key());
        }),
        nsm,
        whole: None,
    };
    assert_eq!(site.used(), 1);
    site.spend_in_epoch(&round("wards", 4, 2)).unwrap();
    assert!(matches!(
        site.spend_in_epoch(&round("wards", 5, 1)),
        Err(SpendRefused::OldEpoch { .. })
    ));
}

#[test]
fn a_ledger_from_before_fingerprints_knows_its_models_again() {
    let mut site = Site::new();
    let first = Round::new(1);
    let sent = bytes(&site.spend(&first).unwrap());
    let site = site.with_rows(&first, 16);
    let path = site.folder.path().join("ledger-mock.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "DROP INDEX spent_whole_model; ALTER TABLE contributions DROP COLUMN in_outbox;
        ALTER TABLE contributions DROP COLUMN whole_model;
        ALTER TABLE contributions DROP COLUMN fingerprint; PRAGMA user_version = 2;",
    )
    .unwrap();
    drop(old);
    let mut site = site.reopen();
    assert_eq!(
        bytes(&site.ledger.stored(&first.id()).unwrap().unwrap()),
        sent
    );
    let update = Update::from_values(vec![1.5; 10]);
    let known = site.ledger.was_sealed(&first.id(), &update, 1).unwrap();
    assert_eq!(known, None);
    // The model that was whole then, with something selected of it now.
    site.whole = Some(crate::testing::base_model().digest());
    let part = Round::with(1, |terms| {
        terms.round_number = 4;
        terms.base_model = other_model(7);
    });
    assert!(is_spent_before(&site.spend(&part)));
}

#[test]
fn a_later_versions_ledger_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(folder.path());
    let path = folder.path().join("ledger-mock.db");
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", schema::VERSION + 1)
        .unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(
        Ledger::open(&identity, Trust::Mock),
        Err(LedgerError::Version { found, .. }) if found == schema::VERSION + 1
    ));
    assert_eq!(fs::read(&path).unwrap(), before);
}
