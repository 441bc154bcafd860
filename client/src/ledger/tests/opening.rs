//! Which ledger is opened at all.

use super::*;

#[test]
fn a_ledger_is_open_in_one_process_at_a_time() {
    let site = Site::new();
    let identity = Identity::load(site.folder.path()).unwrap();
    assert!(matches!(
        Ledger::open(&identity, Trust::Mock),
        Err(LedgerError::Locked(_))
    ));
    // The other trust's ledger is another file.
    assert!(Ledger::open(&identity, Trust::AwsNitro).is_ok());
    drop(site.ledger);
    assert!(Ledger::open(&identity, Trust::Mock).is_ok());
}

#[test]
fn a_missing_ledger_is_refused_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(folder.path());
    let path = folder.path().join("ledger.db");
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        Ledger::open(&identity, Trust::AwsNitro),
        Err(LedgerError::Missing(_))
    ));
    assert!(!path.exists());
}

#[test]
fn a_ledger_of_another_identity_or_trust_or_none_at_all_is_refused() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let identity = identity(ours.path());
    crate::testing::identity(theirs.path());
    let path = ours.path().join("ledger.db");
    let is_foreign = || {
        matches!(
            Ledger::open(&identity, Trust::AwsNitro),
            Err(LedgerError::Foreign(_))
        )
    };
    for foreign in [
        theirs.path().join("ledger.db"),
        ours.path().join("ledger-mock.db"),
    ] {
        fs::copy(foreign, &path).unwrap();
        assert!(is_foreign());
    }
    // An empty file is an empty database to SQLite.
    fs::write(&path, b"").unwrap();
    assert!(is_foreign());
    fs::write(&path, b"not a database, by far, and longer than one header").unwrap();
    assert!(matches!(
        Ledger::open(&identity, Trust::AwsNitro),
        Err(LedgerError::Damaged { .. })
    ));
}

#[test]
fn a_ledger_that_another_program_holds_is_busy_and_not_damaged() {
    let site = Site::new();
    let path = site.folder.path().join("ledger-mock.db");
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let at_once = core::time::Duration::ZERO;
    site.ledger.connection.busy_timeout(at_once).unwrap();
    let busy = site.ledger.used().unwrap_err();
    assert!(matches!(busy, LedgerError::Busy(_)), "{busy}");
    drop(other);
    assert_eq!(site.used(), 0);
}

#[test]
fn a_mocks_round_is_not_spent_in_the_real_ledger() {
    let site = Site::new();
    let identity = Identity::load(site.folder.path()).unwrap();
    let mut real = Ledger::open(&identity, Trust::AwsNitro).unwrap();
    let (_, terms) = site.nsm.accept(&Round::new(1));
    let model = crate::testing::base_model();
    let update = real.fingerprint(&Update::from_values(vec![1.5; 10]), 1);
    assert!(matches!(
        real.reserve(&terms, &site.policy, &model, update),
        Err(SpendRefused::OtherTrust { .. })
    ));
}

#[test]
fn a_ledger_is_bound_by_key_and_by_its_own_id() {
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(folder.path());
    let path = folder.path().join("ledger.db");
    let good = fs::read(&path).unwrap();
    for column in ["client", "ledger_id"] {
        let ledger = Connection::open(&path).unwrap();
        let change = format!("UPDATE ledger SET {column} = zeroblob(32)");
        assert_eq!(ledger.execute(&change, []).unwrap(), 1);
        drop(ledger);
        assert!(matches!(
            Ledger::open(&identity, Trust::AwsNitro),
            Err(LedgerError::Foreign(_))
        ));
        fs::write(&path, &good).unwrap();
        assert!(Ledger::open(&identity, Trust::AwsNitro).is_ok());
    }
}

#[test]
fn a_ledger_is_its_owners_to_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    identity(folder.path());
    for name in [
        "identity.key",
        "ledger.db",
        "ledger.db-journal",
        "ledger-mock.db",
    ] {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// Whoever copies it has all that was committed.
#[test]
fn a_ledger_is_one_file_between_commits() {
    let mut site = Site::new();
    let round = Round::new(1);
    let _ = site.spend(&round).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy.db");
    fs::copy(site.folder.path().join("ledger-mock.db"), &copy).unwrap();
    let copy = Connection::open(copy).unwrap();
    let count = "SELECT count(*) FROM contributions WHERE state = 'sealed'";
    assert_eq!(copy.query_row(count, [], |row| row.get(0)), Ok(1));
    assert_eq!(site.used(), 1);
}
