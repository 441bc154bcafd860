//! Masked updates in files: there before their record, and sent only as committed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use crate::ledger::in_place;
use crate::ledger::masked_update::file_of;

impl Site {
    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("ledger-mock.db")
    }

    pub(super) fn outbox(&self) -> PathBuf {
        in_place::outbox(&self.database())
    }

    /// Where a masked update lies that was sealed while another was in the outbox.
    pub(super) fn file(&self, round: &Round) -> PathBuf {
        file_of(&self.database(), &round.id())
    }

    /// Leaves a contribution of its own task in the outbox.
    fn occupy_outbox(&mut self) -> Round {
        let round = Round::with(9, |terms| terms.task = "others".parse().unwrap());
        let _ = self.spend(&round).unwrap();
        round
    }

    /// Names of all masked updates that have files of their own.
    pub(super) fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.contains(".masked")).collect();
        names.sort();
        names
    }

    /// Makes the ledger one of version 4: what is in the outbox has a file of its own.
    fn with_files(self, round: &Round) -> Self {
        fs::rename(self.outbox(), self.file(round)).unwrap();
        self.run("ALTER TABLE contributions DROP COLUMN in_outbox; PRAGMA user_version = 4;");
        self.reopen()
    }

    /// Makes the ledger one of before version 4: what is in the outbox lies in rows of `part` bytes.
    pub(super) fn with_rows(self, round: &Round, part: usize) -> Self {
        let path = self.outbox();
        let body = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        self.run("ALTER TABLE contributions DROP COLUMN in_outbox");
        let old = Connection::open(self.database()).unwrap();
        for (number, bytes) in (0_i64..).zip(body.chunks(part)) {
            let put = "INSERT INTO masked_updates (round_id, part, bytes) VALUES (?1, ?2, ?3)";
            old.execute(put, params![round.id().as_bytes(), number, bytes])
                .unwrap();
        }
        old.pragma_update(None, "user_version", 3).unwrap();
        drop(old);
        self.reopen()
    }

    pub(super) fn run(&self, sql: &str) {
        let other = Connection::open(self.database()).unwrap();
        other.execute_batch(sql).unwrap();
    }

    fn fault(&self, round: &Round) -> MaskedUpdateFault {
        let refused = self.ledger.stored(&round.id()).err().unwrap();
        let words = refused.to_string();
        let LedgerError::MaskedUpdate {
            path,
            round_id,
            fault,
        } = refused
        else {
            panic!("{words}");
        };
        assert_eq!(round_id, round.id());
        for part in [path.to_str().unwrap(), "Nothing was sent", "ledger refund"] {
            assert!(words.contains(part), "{words}");
        }
        fault
    }
}

/// A round of so many elements, which take more than one block.
fn large() -> Round {
    let model = crate::BaseModel::from_values(&vec![0.0; LARGE]);
    Round::with(1, |terms| {
        terms.base_model = model.digest();
        terms.schema = model.schema().digest();
        terms.dimension = LARGE as u64;
    })
}

impl Site {
    fn spend_large(&mut self) -> SpentContribution {
        let round = large();
        let (enclave, terms) = self.nsm.accept(&round);
        let debit = self.reserve(&terms).unwrap();
        let seed = RoundingSeed::new([5; 32]);
        let values = vec![1.5; LARGE];
        let update = Encoding::new(terms.params(), &values, 1, OutOfRange::Clamp, &seed);
        let sealed = seal(&enclave, &terms, debit, update.unwrap(), None, NOW);
        sealed.unwrap().commit().unwrap()
    }
}

#[test]
fn a_masked_update_is_a_file_of_its_owners_and_the_bytes_that_are_sent() {
    let mut site = Site::new();
    let spent = site.spend_large();
    let path = site.outbox();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read(&path).unwrap(), spent.upload()[1]);
    let site = site.reopen();
    let again = site.ledger.stored(&large().id()).unwrap().unwrap();
    assert_eq!(bytes(&again), bytes(&spent));
    let database = fs::metadata(site.database()).unwrap().len();
    assert!(
        database < spent.upload()[1].len() as u64,
        "it is in the ledger, too"
    );
}

/// As if the process ended between the two.
#[test]
fn a_masked_update_is_there_before_its_record_and_without_one_it_is_nothing() {
    for in_outbox in [true, false] {
        let mut site = Site::new();
        let before = if in_outbox {
            0
        } else {
            site.occupy_outbox();
            1
        };
        let round = Round::new(1);
        let path = if in_outbox {
            site.outbox()
        } else {
            site.file(&round)
        };
        site.run(FAILING);
        assert!(matches!(
            site.spend(&round),
            Err(SpendRefused::Ledger(LedgerError::Sql { .. }))
        ));
        assert!(path.exists(), "written before the record");
        assert!(site.ledger.stored(&round.id()).unwrap().is_none());
        let mut site = site.reopen();
        assert_eq!(site.files(), [""; 0]);
        assert_eq!(site.used(), before);
        assert_eq!(site.ledger.records().unwrap().len(), before as usize);
        // One that still lies there is no obstacle, and none of its bytes remain.
        fs::write(&path, vec![7; 1000]).unwrap();
        site.run("DROP TRIGGER no");
        let spent = site.spend(&round).unwrap();
        assert_eq!(fs::read(&path).unwrap(), spent.upload()[1]);
    }
}

/// The bytes of what may have left are never written over.
#[test]
fn the_outbox_is_free_again_once_what_is_in_it_is_settled() {
    let mut site = Site::new();
    let task = |task: &str| Round::with(1, |terms| terms.task = task.parse().unwrap());
    let [first, second, third] = [task("wards"), task("imaging"), task("others")];
    let waiting = bytes(&site.spend(&first).unwrap());
    let beside = bytes(&site.spend(&second).unwrap());
    assert!(!site.file(&first).exists() && site.file(&second).exists());
    let mut site = site.reopen();
    let stored =
        |site: &Site, round: &Round| bytes(&site.ledger.stored(&round.id()).unwrap().unwrap());
    assert_eq!(stored(&site, &first), waiting);
    assert_eq!(stored(&site, &second), beside);
    site.ledger.record_summed(&first.id()).unwrap();
    let last = bytes(&site.spend(&third).unwrap());
    assert!(!site.file(&third).exists());
    let site = site.reopen();
    assert_eq!(stored(&site, &second), beside);
    assert_eq!(stored(&site, &third), last);
    assert!(site.ledger.stored(&first.id()).unwrap().is_none());
}

#[test]
fn what_nobody_waits_for_is_removed_at_opening_and_all_else_is_left() {
    let mut site = Site::new();
    site.occupy_outbox();
    let (pending, settled, unknown) = (
        Round::new(1),
        Round::with(1, |terms| terms.task = "imaging".parse().unwrap()),
        Round::new(3),
    );
    for round in [&pending, &settled] {
        let _ = site.spend(round).unwrap();
    }
    site.ledger.record_summed(&settled.id()).unwrap();
    for gone in [&settled, &unknown] {
        fs::write(site.file(gone), b"left behind").unwrap();
    }
    // The other ledger's, and what is not named like one.
    let name = |name: &str| site.folder.path().join(name);
    let id = unknown.id().to_string();
    let others = [
        format!("ledger.db.{id}.masked"),
        format!("ledger-mock.db.{}.masked", id.to_uppercase()),
        format!("ledger-mock.db.{id}.masked.bak"),
        format!("ledger-mock.db-{id}.masked"),
        format!("ledger-mock.db.{}.masked", &id[2..]),
        format!("a-ledger-mock.db.{id}.masked"),
    ];
    for other in &others {
        fs::write(name(other), b"not ours").unwrap();
    }
    let site = site.reopen();
    let mut left: Vec<_> = others.to_vec();
    left.push(format!("ledger-mock.db.{}.masked", pending.id()));
    left.sort();
    assert_eq!(site.files(), left);
    assert!(site.ledger.stored(&pending.id()).unwrap().is_some());
    let identity = Identity::load(site.folder.path()).unwrap();
    drop(Ledger::open(&identity, Trust::AwsNitro).unwrap());
    left.retain(|name| *name != others[0]);
    assert_eq!(site.files(), left);
}

#[test]
fn what_is_not_as_it_was_committed_is_refused_and_never_made_anew() {
    let mut site = Site::with_retries(9);
    let sent = bytes(&site.spend_large());
    let (round, path) = (large(), site.outbox());
    let good = fs::read(&path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let length = |fault: &MaskedUpdateFault| matches!(fault, MaskedUpdateFault::Length { expected } if *expected == good.len() as u64);
    let changed = |fault: &MaskedUpdateFault| matches!(fault, MaskedUpdateFault::Changed);
    for bytes in [
        &good[..0],
        &good[..good.len() - 1],
        &[&good[..], b"x"].concat(),
    ] {
        fs::write(&path, bytes).unwrap();
        let fault = site.fault(&round);
        assert!(length(&fault), "{fault}");
    }
    for bytes in [flipped(0), flipped(good.len() / 2), flipped(good.len() - 1)] {
        fs::write(&path, bytes).unwrap();
        let fault = site.fault(&round);
        assert!(changed(&fault), "{fault}");
    }
    fs::remove_file(&path).unwrap();
    let mut site = site.reopen();
    let fault = site.fault(&round);
    assert!(matches!(fault, MaskedUpdateFault::Missing), "{fault}");
    let (_, terms) = site.nsm.accept(&round);
    assert!(matches!(
        site.reserve(&terms),
        Err(SpendRefused::SealedBefore(id)) if id == round.id()
    ));
    assert_eq!(site.used(), 1);
    fs::write(&path, &good).unwrap();
    let again = site.ledger.stored(&round.id()).unwrap().unwrap();
    assert_eq!(bytes(&again), sent);
    // What is lost for good is free again by proof.
    fs::remove_file(&path).unwrap();
    let receipt = site.abort_receipt(&round, &round.receipts);
    site.ledger.refund_by_abort(&round.id(), &receipt).unwrap();
    assert_eq!(site.used(), 0);
}

#[test]
fn a_file_goes_with_whatever_settles_its_contribution() {
    for settles in 0..3 {
        let mut site = Site::new();
        site.occupy_outbox();
        let round = Round::new(1);
        let spent = site.spend(&round).unwrap();
        assert_eq!(site.files().len(), 1);
        let (id, client) = (round.id(), site.ledger.client_id());
        match settles {
            0 => {
                let signed = round.receipts.sign(Acceptance {
                    round_id: id,
                    client,
                    contribution: spent.header().digest(),
                });
                site.ledger
                    .record_acceptance(&id, &signed)
                    .map(drop)
                    .unwrap();
            }
            1 => site.ledger.record_summed(&id).unwrap(),
            _ => {
                let receipt = site.abort_receipt(&round, &round.receipts);
                site.ledger.refund_by_abort(&id, &receipt).unwrap();
            }
        }
        assert_eq!(site.files(), [""; 0], "{settles}");
    }
}

#[test]
fn an_older_ledgers_masked_update_is_sent_from_its_rows() {
    let mut site = Site::new();
    let sent = bytes(&site.spend_large());
    let round = large();
    let mut site = site.with_rows(&round, 30_000);
    assert_eq!(site.files(), [""; 0]);
    let again = site.ledger.stored(&round.id()).unwrap().unwrap();
    assert_eq!(bytes(&again), sent);
    // An older program would find no rows for what is sealed from now on, and is told by the version.
    let version = super::version(&site.ledger.connection).unwrap();
    assert_eq!(version, Some(schema::VERSION));
    let next = Round::with(1, |terms| terms.task = "imaging".parse().unwrap());
    let _ = site.spend(&next).unwrap();
    let site = site.reopen();
    assert!(site.ledger.stored(&next.id()).unwrap().is_some());
    site.run("DELETE FROM masked_updates WHERE part = 1");
    let fault = site.fault(&round);
    assert!(matches!(fault, MaskedUpdateFault::Length { .. }), "{fault}");
    let mut site = site;
    site.ledger.record_summed(&round.id()).unwrap();
    let rows = site
        .ledger
        .connection
        .query_row("SELECT count(*) FROM masked_updates", [], |row| {
            row.get::<_, i64>(0)
        });
    assert_eq!(rows, Ok(0));
}

#[test]
fn an_older_ledgers_masked_update_is_sent_from_its_file() {
    let mut site = Site::new();
    let sent = bytes(&site.spend_large());
    let mut site = site.with_files(&large());
    assert!(site.file(&large()).exists(), "it is no orphan");
    // The outbox is free.
    let next = site.occupy_outbox();
    assert!(!site.file(&next).exists());
    let again = site.ledger.stored(&large().id()).unwrap().unwrap();
    assert_eq!(bytes(&again), sent);
    let version = super::version(&site.ledger.connection).unwrap();
    assert_eq!(version, Some(schema::VERSION));
}

/// No contribution is recorded any more.
pub(super) const FAILING: &str =
    "CREATE TRIGGER no BEFORE INSERT ON contributions BEGIN SELECT RAISE(ABORT, 'no'); END";
const LARGE: usize = 40_000;
