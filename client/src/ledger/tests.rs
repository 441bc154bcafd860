mod acceptances;
mod epochs;
mod fingerprints;
mod masked_updates;
mod opening;
mod order;
mod proofs;

use std::fs;

use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::{
    AbortReceipt, Acceptance, Cohort, CohortProof, Digest, Encoding, Noise, Receipt, ReceiptSigner,
    Signed, canonical, label,
};
use tempfile::TempDir;

use super::*;
use crate::testing::{NOW, Nsm, Round, identity, other_model};
use crate::{AcceptedTerms, BaseModel, RoundPolicy, SealedContribution, Update, seal};

/// A site with its ledger open.
struct Site {
    folder: TempDir,
    ledger: Ledger,
    nsm: Nsm,
    policy: RoundPolicy,
    /// The model's whole file, where something is selected of it.
    whole: Option<Digest>,
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
            whole: None,
        }
    }

    fn reopen(self) -> Self {
        let Self {
            folder,
            ledger,
            nsm,
            policy,
            whole,
        } = self;
        drop(ledger);
        let identity = Identity::load(folder.path()).unwrap();
        Self {
            ledger: Ledger::open(&identity, Trust::Mock).unwrap(),
            folder,
            nsm,
            policy,
            whole,
        }
    }

    fn reserve(&mut self, terms: &AcceptedTerms) -> Result<Debit<'_>, SpendRefused> {
        let digest = terms.params().terms().base_model;
        let model = BaseModel::of_digests(digest, self.whole.unwrap_or(digest));
        let update = self
            .ledger
            .fingerprint(&Update::from_values(vec![1.5; 10]), 1);
        self.ledger.reserve(terms, &self.policy, &model, update)
    }

    fn seal(&mut self, round: &Round) -> Result<SealedContribution<'_>, SpendRefused> {
        let (enclave, terms) = self.nsm.accept(round);
        let debit = self.reserve(&terms)?;
        let seed = RoundingSeed::new([5; 32]);
        let update = Encoding::new(terms.params(), &[1.5; 10], 1, OutOfRange::Clamp, &seed);
        Ok(seal(&enclave, &terms, debit, update.unwrap(), None, NOW).unwrap())
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
    drop(site.reserve(&terms).unwrap());
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
fn a_model_file_is_spent_once_whatever_is_selected_of_it() {
    let mut site = Site::new();
    site.whole = Some(other_model(0x77));
    let _ = site.spend(&Round::new(1)).unwrap();
    let others = Round::with(1, |terms| {
        terms.round_number = 4;
        terms.base_model = other_model(7);
    });
    let Err(SpendRefused::SpentBefore(before)) = site.spend(&others) else {
        panic!("two parts of one model were sealed for");
    };
    assert_eq!(before.shared, Shared::ModelFile);
    let words = before.to_string();
    assert!(words.contains("--select and --exclude"), "{words}");
    // What was selected before, as a file of its own, is no other model either.
    site.whole = None;
    let refused = site.spend(&Round::with(1, |terms| terms.round_number = 4));
    assert!(is_spent_before(&refused));
    // Another file is, and another task.
    assert!(site.spend(&others).is_ok());
    site.whole = Some(other_model(0x77));
    let elsewhere = Round::with(1, |terms| terms.task = "imaging".parse().unwrap());
    assert!(site.spend(&elsewhere).is_ok());
}

#[test]
fn no_other_model_is_spent_than_the_terms_were_accepted_for() {
    let mut site = Site::new();
    let (_, terms) = site.nsm.accept(&Round::new(1));
    let model = BaseModel::of_digests(other_model(7), other_model(7));
    let update = site.ledger.fingerprint(&Update::from_values(vec![1.5]), 1);
    let reserved = site.ledger.reserve(&terms, &site.policy, &model, update);
    assert!(matches!(reserved, Err(SpendRefused::OtherModel { .. })));
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
