use std::fs;

use proptest::prelude::*;
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::{
    AbortReceipt, Acceptance, Cohort, CohortProof, Digest, EncodedUpdate, Noise, Receipt,
    ReceiptSigner, Signed, label,
};
use tempfile::TempDir;

use super::*;
use crate::testing::{NOW, Nsm, Round, identity, other_model};
use crate::{RoundPolicy, SealedContribution, seal};

/// A site with its ledger open.
struct Site {
    folder: TempDir,
    ledger: Ledger,
    nsm: Nsm,
    policy: RoundPolicy,
}

impl Site {
    fn new() -> Self {
        Self::with_retries(0)
    }

    fn with_retries(retries: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&identity(folder.path()), Trust::Mock).unwrap();
        let nsm = Nsm::boot();
        let policy = nsm.policy_with(|file| file.unproven_retries = retries);
        Self {
            folder,
            ledger,
            nsm,
            policy,
        }
    }

    fn reopen(self) -> Self {
        let Self {
            folder,
            ledger,
            nsm,
            policy,
        } = self;
        drop(ledger);
        let identity = Identity::load(folder.path()).unwrap();
        Self {
            ledger: Ledger::open(&identity, Trust::Mock).unwrap(),
            folder,
            nsm,
            policy,
        }
    }

    fn seal(&mut self, round: &Round) -> Result<SealedContribution<'_>, SpendRefused> {
        let (enclave, terms) = self.nsm.accept(round);
        let debit = self.ledger.reserve(&terms, &self.policy)?;
        let seed = RoundingSeed::new([5; 32]);
        let update = EncodedUpdate::encode(terms.params(), &[1.5; 10], 1, OutOfRange::Clamp, &seed);
        Ok(seal(&enclave, &terms, debit, update.unwrap(), NOW).unwrap())
    }

    fn spend(&mut self, round: &Round) -> Result<SpentContribution, SpendRefused> {
        Ok(self.seal(round)?.commit()?)
    }

    fn used(&self) -> u32 {
        self.ledger.used().unwrap()
    }

    fn state(&self, round: &Round) -> RecordState {
        self.ledger.record(&round.id()).unwrap().unwrap().state
    }

    fn abort_receipt(&self, round: &Round, signer: &ReceiptSigner) -> Signed<AbortReceipt> {
        signer.sign(AbortReceipt {
            round_id: round.id(),
            discarded: 1,
        })
    }

    /// A receipt over a cohort of strangers, with or without this site.
    fn receipt(&self, round: &Round, own: Option<Digest>) -> (Signed<Receipt>, Cohort) {
        let strangers = [1_u8, 2, 3].map(|i| (ClientId::new([i; 32]), Digest::new([i; 32])));
        let own = own.map(|contribution| (self.ledger.client_id(), contribution));
        let cohort: Cohort = strangers.into_iter().chain(own).collect();
        let receipt = Receipt {
            round_id: round.id(),
            cohort_size: cohort.size() as u32,
            cohort_root: cohort.root(),
            total_weight: cohort.size(),
            aggregate: label::SCHEMA.digest(&[]),
            noise: Noise::None,
            excluded: Vec::new(),
            previous_receipt: None,
        };
        (round.receipts.sign(receipt), cohort)
    }
}

fn bytes(spent: &SpentContribution) -> Vec<u8> {
    spent.upload().concat()
}

fn is_spent_before(result: &Result<SpentContribution, SpendRefused>) -> bool {
    matches!(result, Err(SpendRefused::SpentBefore(_)))
}

#[test]
fn what_is_dropped_before_its_commit_leaves_nothing() {
    let mut site = Site::new();
    let round = Round::new(1);
    let (_, terms) = site.nsm.accept(&round);
    drop(site.ledger.reserve(&terms, &site.policy).unwrap());
    drop(site.seal(&round).unwrap());
    let mut site = site.reopen();
    assert_eq!(site.used(), 0);
    assert!(site.ledger.records().unwrap().is_empty());
    assert!(site.ledger.stored(&round.id()).unwrap().is_none());
    assert!(site.spend(&round).is_ok());
}

#[test]
fn what_was_committed_is_sent_again_byte_for_byte() {
    let mut site = Site::new();
    let round = Round::new(1);
    let sent = bytes(&site.spend(&round).unwrap());
    let site = site.reopen();
    assert_eq!(site.used(), 1);
    let again = site.ledger.stored(&round.id()).unwrap().unwrap();
    assert_eq!(bytes(&again), sent);
    assert_eq!(again.header().client, site.ledger.client_id());
}

#[test]
fn the_same_round_is_never_sealed_anew() {
    let mut site = Site::with_retries(9);
    let round = Round::new(1);
    let _ = site.spend(&round).unwrap();
    assert!(matches!(
        site.spend(&round),
        Err(SpendRefused::SealedBefore(id)) if id == round.id()
    ));
}

#[test]
fn a_round_number_is_spent_once_in_whatever_enclave() {
    let mut site = Site::new();
    let _ = site.spend(&Round::new(1)).unwrap();
    let second = Round::with(2, |terms| terms.base_model = other_model(7));
    assert!(is_spent_before(&site.spend(&second)));
    assert_eq!(site.used(), 1);
}

#[test]
fn a_base_model_is_spent_once_under_whatever_number() {
    let mut site = Site::new();
    let _ = site.spend(&Round::new(1)).unwrap();
    let refused = site.spend(&Round::with(1, |terms| terms.round_number = 4));
    let Err(SpendRefused::SpentBefore(before)) = refused else {
        panic!("the same base model was sealed for twice");
    };
    let words = before.to_string();
    assert!(
        words.contains("the same base model of task wards"),
        "{words}"
    );
    assert!(words.contains("unproven_retries = 1"), "{words}");
}

#[test]
fn another_number_and_model_or_another_task_is_free() {
    let mut site = Site::new();
    let _ = site.spend(&Round::new(1)).unwrap();
    let next = Round::with(1, |terms| {
        terms.round_number = 4;
        terms.base_model = other_model(7);
    });
    assert!(site.spend(&next).is_ok());
    let other_task = Round::with(1, |terms| terms.task = "imaging".parse().unwrap());
    assert!(site.spend(&other_task).is_ok());
    assert_eq!(site.used(), 3);
}

#[test]
fn the_budget_counts_across_tasks() {
    let mut site = Site::new();
    site.policy = site.nsm.policy_with(|file| file.budget.contributions = 2);
    let task = |name: &str| Round::with(1, |terms| terms.task = name.parse().unwrap());
    let _ = site.spend(&task("wards")).unwrap();
    let _ = site.spend(&task("imaging")).unwrap();
    assert!(matches!(
        site.spend(&task("third")),
        Err(SpendRefused::BudgetSpent { budget: 2, used: 2 })
    ));
}

#[test]
fn unproven_retries_are_counted_over_a_tasks_lifetime_and_debited() {
    let mut site = Site::with_retries(1);
    let (first, second, third) = (Round::new(1), Round::new(2), Round::new(3));
    let _ = site.spend(&first).unwrap();
    let _ = site.spend(&second).unwrap();
    assert_eq!(site.used(), 2);
    assert!(
        site.ledger
            .record(&second.id())
            .unwrap()
            .unwrap()
            .unproven_retry
    );
    assert!(is_spent_before(&site.spend(&third)));
    // The retry's own refund gives back the debit, not the retry.
    let receipt = site.abort_receipt(&second, &second.receipts);
    site.ledger.refund_by_abort(&second.id(), &receipt).unwrap();
    assert_eq!(site.used(), 1);
    assert!(is_spent_before(&site.spend(&third)));
}

#[test]
fn what_is_proven_to_be_in_a_sum_is_never_repeated() {
    let mut site = Site::with_retries(9);
    let round = Round::new(1);
    let _ = site.spend(&round).unwrap();
    site.ledger.record_summed(&round.id()).unwrap();
    let Err(SpendRefused::SpentBefore(before)) = site.spend(&Round::new(2)) else {
        panic!("a summed contribution was repeated");
    };
    assert!(before.to_string().contains("never repeated"), "{before}");
    let receipt = site.abort_receipt(&round, &round.receipts);
    assert!(matches!(
        site.ledger.refund_by_abort(&round.id(), &receipt),
        Err(RefundRefused::InTheSum(_))
    ));
}

#[test]
fn an_abort_receipt_of_the_rounds_enclave_frees_it() {
    let mut site = Site::new();
    let (round, again) = (Round::new(1), Round::new(2));
    let _ = site.spend(&round).unwrap();
    let receipt = site.abort_receipt(&round, &round.receipts);
    site.ledger.refund_by_abort(&round.id(), &receipt).unwrap();
    let mut site = site.reopen();
    assert_eq!(
        (site.used(), site.state(&round)),
        (0, RecordState::Refunded)
    );
    assert!(site.ledger.stored(&round.id()).unwrap().is_none());
    assert!(matches!(
        site.ledger.refund_by_abort(&round.id(), &receipt),
        Err(RefundRefused::Refunded(_))
    ));
    assert!(site.spend(&again).is_ok());
}

#[test]
fn a_forged_or_foreign_abort_receipt_frees_nothing() {
    let mut site = Site::new();
    let (round, other) = (Round::new(1), Round::new(2));
    let _ = site.spend(&round).unwrap();
    let forged = site.abort_receipt(&round, &other.receipts);
    let foreign = site.abort_receipt(&other, &other.receipts);
    // The parent runs another enclave, whose receipts are genuine, but not this round's.
    for receipt in [forged, foreign] {
        assert!(matches!(
            site.ledger.refund_by_abort(&round.id(), &receipt),
            Err(RefundRefused::Signature(_))
        ));
    }
    let unknown = site.abort_receipt(&other, &other.receipts);
    assert!(matches!(
        site.ledger.refund_by_abort(&other.id(), &unknown),
        Err(RefundRefused::Unknown(_))
    ));
    assert_eq!((site.used(), site.state(&round)), (1, RecordState::Sealed));
    assert!(is_spent_before(&site.spend(&other)));
}

#[test]
fn a_receipt_that_leaves_this_site_out_frees_the_round() {
    let mut site = Site::new();
    let round = Round::new(1);
    let _ = site.spend(&round).unwrap();
    let (receipt, cohort) = site.receipt(&round, None);
    let proof = cohort.prove(&site.ledger.client_id());
    site.ledger
        .refund_by_exclusion(&round.id(), &receipt, &proof)
        .unwrap();
    assert_eq!(
        (site.used(), site.state(&round)),
        (0, RecordState::Refunded)
    );
}

#[test]
fn a_receipt_with_this_site_in_it_frees_nothing() {
    let mut site = Site::new();
    let round = Round::new(1);
    let spent = site.spend(&round).unwrap();
    let client = site.ledger.client_id();
    let (receipt, cohort) = site.receipt(&round, Some(spent.header().digest()));
    let refused = |site: &mut Site, receipt: &Signed<Receipt>, proof: &CohortProof| {
        site.ledger
            .refund_by_exclusion(&round.id(), receipt, proof)
            .unwrap_err()
    };
    let own = refused(&mut site, &receipt, &cohort.prove(&client));
    assert!(matches!(own, RefundRefused::InTheSum(_)), "{own}");
    // A proof of absence out of another cohort, and one about another client.
    let (_, without) = site.receipt(&round, None);
    let lie = refused(&mut site, &receipt, &without.prove(&client));
    assert!(matches!(lie, RefundRefused::Proof(_)), "{lie}");
    let stranger = cohort.prove(&ClientId::new([1; 32]));
    let lie = refused(&mut site, &receipt, &stranger);
    assert!(matches!(lie, RefundRefused::Proof(_)), "{lie}");
    // A receipt without this site that another key signed.
    let (receipt, _) = site.receipt(&Round::new(2), None);
    let forged = refused(&mut site, &receipt, &without.prove(&client));
    assert!(matches!(forged, RefundRefused::Signature(_)), "{forged}");
    assert_eq!((site.used(), site.state(&round)), (1, RecordState::Sealed));
}

#[test]
fn an_acceptance_is_stored_and_the_masked_update_dropped() {
    let mut site = Site::new();
    let round = Round::new(1);
    let spent = site.spend(&round).unwrap();
    let acceptance = Acceptance {
        round_id: round.id(),
        client: site.ledger.client_id(),
        contribution: spent.header().digest(),
    };
    let signed = round.receipts.sign(acceptance.clone());
    site.ledger.record_acceptance(&round.id(), &signed).unwrap();
    let site = site.reopen();
    let record = site.ledger.record(&round.id()).unwrap().unwrap();
    assert_eq!(record.state, RecordState::Accepted);
    assert_eq!(record.acceptance, Some(signed));
    assert!(site.ledger.stored(&round.id()).unwrap().is_none());
    assert!(site.ledger.body(&round.id()).unwrap().is_empty());
    assert_eq!(site.used(), 1);
}

#[test]
fn an_acceptance_that_is_forged_or_about_another_contribution_does_not_count() {
    let mut site = Site::new();
    let round = Round::new(1);
    let spent = site.spend(&round).unwrap();
    let acceptance = |contribution, client| Acceptance {
        round_id: round.id(),
        client,
        contribution,
    };
    let (client, own) = (site.ledger.client_id(), spent.header().digest());
    let forged = Round::new(2).receipts.sign(acceptance(own, client));
    let other_digest = round.receipts.sign(acceptance(other_model(9), client));
    let other_client = round.receipts.sign(acceptance(own, ClientId::new([9; 32])));
    for signed in [forged, other_digest, other_client] {
        assert!(site.ledger.record_acceptance(&round.id(), &signed).is_err());
    }
    assert_eq!(site.state(&round), RecordState::Sealed);
    assert!(site.ledger.stored(&round.id()).unwrap().is_some());
}

#[test]
fn a_masked_update_larger_than_one_part_is_stored_whole() {
    let mut site = Site::new();
    let round = Round::new(1);
    let (_, terms) = site.nsm.accept(&round);
    let header = site.spend(&Round::with(1, |t| t.task = "imaging".parse().unwrap()));
    let header = header.unwrap().header().clone();
    let body: Vec<u8> = (0..(17 << 20)).map(|i: u32| (i % 251) as u8).collect();
    let debit = site.ledger.reserve(&terms, &site.policy).unwrap();
    let masked = sealsum_protocol::MaskedUpdate(body.clone());
    let _ = debit
        .commit(&round.binding, (header, masked), 0, NOW)
        .unwrap();
    assert!(site.ledger.body(&round.id()).unwrap() == body);
}

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
        Err(LedgerError::Sql { .. })
    ));
}

#[test]
fn a_mocks_round_is_not_spent_in_the_real_ledger() {
    let site = Site::new();
    let identity = Identity::load(site.folder.path()).unwrap();
    let mut real = Ledger::open(&identity, Trust::AwsNitro).unwrap();
    let (_, terms) = site.nsm.accept(&Round::new(1));
    assert!(matches!(
        real.reserve(&terms, &site.policy),
        Err(SpendRefused::OtherTrust { .. })
    ));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Round number, model, enclave; committed or dropped.
    Spend(u8, u8, u8, bool),
    /// Abort receipt for the n-th record; genuine or not.
    Refund(usize, bool),
    Summed(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_u8..3, 0_u8..3, 0_u8..3, prop::bool::weighted(0.8))
            .prop_map(|(number, model, enclave, commit)| Step::Spend(number, model, enclave, commit)),
        3 => (0_usize..6, any::<bool>()).prop_map(|(at, genuine)| Step::Refund(at, genuine)),
        1 => (0_usize..6).prop_map(Step::Summed),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens in whatever order: without retries, no two contributions that are not
    /// refunded by a genuine proof share a round number or a base model.
    #[test]
    fn nothing_is_spent_twice_in_any_order_of_events(steps in prop::collection::vec(step(), 1..14)) {
        let mut site = Site::new();
        let mut rounds: Vec<Round> = Vec::new();
        for step in steps {
            match step {
                Step::Spend(number, model, enclave, commit) => {
                    let round = Round::with(enclave, |terms| {
                        terms.round_number = number.into();
                        terms.base_model = other_model(model);
                    });
                    let before = site.used();
                    if commit {
                        if site.spend(&round).is_ok() {
                            prop_assert_eq!(site.used(), before + 1);
                            rounds.push(round);
                        }
                    } else {
                        drop(site.seal(&round));
                        prop_assert_eq!(site.used(), before);
                    }
                }
                Step::Refund(at, genuine) => if let Some(round) = rounds.get(at) {
                    let stranger = ReceiptSigner::from_secret(&[0x77; 32]);
                    let signer = if genuine { &round.receipts } else { &stranger };
                    let receipt = site.abort_receipt(round, signer);
                    let before = site.state(round);
                    let freed = site.ledger.refund_by_abort(&round.id(), &receipt).is_ok();
                    prop_assert_eq!(freed, genuine && before == RecordState::Sealed);
                },
                Step::Summed(at) => if let Some(round) = rounds.get(at) {
                    site.ledger.record_summed(&round.id()).unwrap();
                },
                Step::Reopen => site = site.reopen(),
            }
            let records = site.ledger.records().unwrap();
            prop_assert_eq!(records.len(), rounds.len());
            let live: Vec<_> = records.iter().filter(|r| r.state != RecordState::Refunded).collect();
            prop_assert_eq!(live.len(), site.used() as usize);
            for (i, a) in live.iter().enumerate() {
                for b in &live[i + 1..] {
                    prop_assert_ne!(a.round_number, b.round_number);
                    prop_assert_ne!(a.base_model, b.base_model);
                }
            }
        }
    }
}
