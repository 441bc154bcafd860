//! Acceptances: on the disk before anyone is told, and in the tables with the next change.

use super::masked_updates::FAILING;
use super::*;
use crate::ledger::in_place;

impl Site {
    pub(super) fn accept(&mut self, round: &Round) -> Acceptance {
        let contribution = self
            .ledger
            .record(&round.id())
            .unwrap()
            .unwrap()
            .contribution;
        let signed = round.receipts.sign(Acceptance {
            round_id: round.id(),
            client: self.ledger.client_id(),
            contribution,
        });
        let accepted = self.ledger.record_acceptance(&round.id(), &signed);
        accepted.unwrap()
    }

    /// What the tables say, whatever was noted beside them.
    fn state_in_tables(&self, round: &Round) -> String {
        let tables = Connection::open(self.database()).unwrap();
        let state = "SELECT state FROM contributions WHERE round_id = ?1";
        let id = round.id();
        tables
            .query_row(state, [id.as_bytes()], |row| row.get(0))
            .unwrap()
    }
}

fn next() -> Round {
    Round::with(1, |terms| terms.task = "imaging".parse().unwrap())
}

#[test]
fn an_acceptance_is_there_after_a_kill_and_in_the_tables_with_the_next_change() {
    let mut site = Site::new();
    let round = Round::new(1);
    let _ = site.spend(&round).unwrap();
    let accepted = site.accept(&round);
    // What a process killed right now leaves is what the next one finds.
    let mut site = site.reopen();
    let record = site.ledger.record(&round.id()).unwrap().unwrap();
    assert_eq!(record.state, RecordState::Accepted);
    assert_eq!(*record.acceptance.unwrap().unverified(), accepted);
    let listed = site.ledger.records().unwrap();
    assert_eq!(listed[0].state, RecordState::Accepted);
    assert!(site.ledger.stored(&round.id()).unwrap().is_none());
    assert_eq!(site.state_in_tables(&round), "sealed");
    let _ = site.spend(&next()).unwrap();
    assert_eq!(site.state_in_tables(&round), "accepted");
    fs::remove_file(in_place::acceptance(&site.database())).unwrap();
    let site = site.reopen();
    let record = site.ledger.record(&round.id()).unwrap().unwrap();
    assert_eq!(*record.acceptance.unwrap().unverified(), accepted);
}

/// The outbox is written over before the transaction that takes the acceptance over.
#[test]
fn an_acceptance_outlives_a_cut_between_the_next_masked_update_and_its_record() {
    let mut site = Site::new();
    let round = Round::new(1);
    let spent = site.spend(&round).unwrap();
    site.accept(&round);
    site.run(FAILING);
    assert!(site.spend(&next()).is_err());
    assert_eq!(site.state(&round), RecordState::Accepted);
    assert_ne!(fs::read(site.outbox()).unwrap(), spent.upload()[1]);
    let mut site = site.reopen();
    assert_eq!(site.state_in_tables(&round), "sealed");
    assert_eq!(site.state(&round), RecordState::Accepted);
    site.run("DROP TRIGGER no");
    let _ = site.spend(&next()).unwrap();
    assert_eq!(site.state_in_tables(&round), "accepted");
}

/// It is asked for again, with the same bytes.
#[test]
fn an_acceptance_that_is_cut_off_changed_or_lost_leaves_its_contribution_sealed() {
    let mut site = Site::new();
    let round = Round::new(1);
    let sent = bytes(&site.spend(&round).unwrap());
    site.accept(&round);
    let path = in_place::acceptance(&site.database());
    let good = fs::read(&path).unwrap();
    let foreign = {
        let contribution = site
            .ledger
            .record(&round.id())
            .unwrap()
            .unwrap()
            .contribution;
        let (round_id, client) = (round.id(), site.ledger.client_id());
        let said = Acceptance {
            round_id,
            client,
            contribution,
        };
        canonical::encode(&ReceiptSigner::from_secret(&[0x77; 32]).sign(said))
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut damaged: Vec<_> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    damaged.extend((0..good.len()).map(flipped));
    damaged.extend([foreign, [&good[..], b"x"].concat()]);
    for bytes_there in damaged {
        fs::write(&path, &bytes_there).unwrap();
        site = site.reopen();
        assert_eq!(site.state(&round), RecordState::Sealed, "{bytes_there:?}");
    }
    fs::remove_file(&path).unwrap();
    site = site.reopen();
    let again = site.ledger.stored(&round.id()).unwrap().unwrap();
    assert_eq!(bytes(&again), sent);
    fs::write(&path, good).unwrap();
    assert_eq!(site.reopen().state(&round), RecordState::Accepted);
}

#[test]
fn an_acceptance_of_what_has_a_file_of_its_own_is_in_the_tables_at_once() {
    let mut site = Site::new();
    let (first, second) = (Round::new(1), next());
    for round in [&first, &second] {
        let _ = site.spend(round).unwrap();
    }
    site.accept(&first);
    assert_eq!(site.state_in_tables(&first), "sealed");
    site.accept(&second);
    for round in [&first, &second] {
        assert_eq!(site.state_in_tables(round), "accepted");
    }
    assert_eq!(site.files(), [""; 0]);
}

#[test]
fn a_refund_of_what_was_accepted_keeps_the_acceptance_too() {
    let mut site = Site::new();
    let round = Round::new(1);
    let _ = site.spend(&round).unwrap();
    let accepted = site.accept(&round);
    let receipt = site.abort_receipt(&round, &round.receipts);
    site.ledger.refund_by_abort(&round.id(), &receipt).unwrap();
    let site = site.reopen();
    let record = site.ledger.record(&round.id()).unwrap().unwrap();
    assert_eq!(record.state, RecordState::Refunded);
    assert_eq!(*record.acceptance.unwrap().unverified(), accepted);
}
