//! An earlier round in the way: what frees it, and what only claims to.

use super::*;
use sealsum_protocol::{CohortProof, ReceiptSigner, Signed};

const ASKING: ContributeOptions = ContributeOptions {
    refund: true,
    ..OPTIONS
};

impl Site {
    /// A site that has contributed to a round, before another one on the same model.
    async fn before_a_second_round() -> (Self, RoundId) {
        let mut site = Self::new().await;
        site.contribute(&VALUES).await.unwrap();
        let first = site.round_id();
        (site, first)
    }

    fn goes_on_to(&self, enclave: u8) {
        self.fake.with(|fake| fake.round = Round::new(enclave));
    }

    async fn contribute_asking(&mut self) -> Result<Contributed, ContributeRefused> {
        let update = Update::from_values(VALUES.to_vec());
        let round = self.join().await?;
        round.contribute(&update, ASKING, |_, _| {}).await
    }

    async fn stays_refused(&mut self) -> RefundFailed {
        let refused = self.contribute_asking().await.unwrap_err();
        assert_eq!(self.uploads().len(), 1, "{refused}");
        assert_eq!(self.used(), 1);
        match refused {
            ContributeRefused::NotFreed { failed, .. } => *failed,
            other => panic!("{other}"),
        }
    }
}

fn abort_receipt(round_id: RoundId, signer: &ReceiptSigner) -> Signed<AbortReceipt> {
    signer.sign(AbortReceipt {
        round_id,
        discarded: 1,
    })
}

#[tokio::test]
async fn a_proven_abort_frees_the_way_and_is_told() {
    let (mut site, first) = Site::before_a_second_round().await;
    site.fake.with(|fake| {
        fake.abort_receipt = Some(abort_receipt(first, &fake.round.receipts));
    });
    site.goes_on_to(2);
    let contributed = site.contribute_asking().await.unwrap();
    assert_eq!(contributed.refunded, [(first, RefundProof::AbortReceipt)]);
    assert_eq!((contributed.budget_left, site.used()), (9, 1));
}

#[tokio::test]
async fn a_proven_exclusion_frees_the_way_and_a_last_contribution_is_enough_for_it() {
    let (mut site, first) = Site::before_a_second_round().await;
    site.client.policy = site
        .fake
        .with(|fake| fake.nsm.policy_with(|file| file.budget.contributions = 1));
    site.release(None);
    site.goes_on_to(2);
    let contributed = site.contribute_asking().await.unwrap();
    assert_eq!(contributed.refunded, [(first, RefundProof::Exclusion)]);
}

#[tokio::test]
async fn whoever_says_no_refund_is_not_asked_about() {
    let (mut site, first) = Site::before_a_second_round().await;
    site.fake.with(|fake| {
        fake.abort_receipt = Some(abort_receipt(first, &fake.round.receipts));
    });
    site.goes_on_to(2);
    let refused = site.contribute(&VALUES).await.unwrap_err();
    assert!(matches!(
        refused,
        ContributeRefused::Spend(SpendRefused::SpentBefore(_))
    ));
    let record = site.client.ledger.record(&first).unwrap().unwrap();
    assert_eq!(record.state, RecordState::Accepted);
}

/// Adversary: a parent that wants a second sum, and says "aborted" in every way it can.
#[tokio::test]
async fn no_forged_proof_frees_the_way() {
    let (mut site, first) = Site::before_a_second_round().await;
    let second = Round::new(2);
    let forged = [
        // By the enclave of the second round, by a key of the parent's own, about another round.
        abort_receipt(first, &second.receipts),
        abort_receipt(first, &ReceiptSigner::from_secret(&[0x55; 32])),
        abort_receipt(second.id(), &second.receipts),
        abort_receipt(second.id(), &Round::new(1).receipts),
    ];
    site.goes_on_to(2);
    for receipt in forged {
        site.fake.with(|fake| fake.abort_receipt = Some(receipt));
        let failed = site.stays_refused().await;
        assert!(
            matches!(failed, RefundFailed::Refused(RefundRefused::Signature(_))),
            "{failed}"
        );
    }
    site.fake.with(|fake| fake.abort_receipt = None);
    let failed = site.stays_refused().await;
    assert!(matches!(failed, RefundFailed::NoProof(id) if id == first));
}

/// Adversary: a parent with the true receipt of a sum that this site is in, and proofs of absence
/// out of other cohorts or about other clients.
#[tokio::test]
async fn no_forged_exclusion_frees_the_way() {
    let (mut site, first) = Site::before_a_second_round().await;
    let record = site.client.ledger.record(&first).unwrap().unwrap();
    let client = site.client.ledger.client_id();
    site.release(None);
    let elsewhere = served_proof(&site);
    site.release(Some(record.contribution));
    let true_proof = served_proof(&site);
    site.goes_on_to(2);
    site.fake
        .with(|fake| fake.released.as_mut().unwrap().proof = elsewhere);
    let failed = site.stays_refused().await;
    assert!(
        matches!(failed, RefundFailed::Refused(RefundRefused::Proof(_))),
        "{failed}"
    );
    // A receipt without this site that another round's enclave signed.
    site.release(None);
    let failed = site.stays_refused().await;
    assert!(
        matches!(failed, RefundFailed::Refused(RefundRefused::Signature(_))),
        "{failed}"
    );
    // The truth: it is in the sum. Known now, it is never repeated, whatever retries are allowed.
    site.goes_on_to(1);
    site.release(Some(record.contribution));
    site.goes_on_to(2);
    site.fake
        .with(|fake| fake.released.as_mut().unwrap().proof = true_proof);
    site.client.policy = site
        .fake
        .with(|fake| fake.nsm.policy_with(|file| file.unproven_retries = 9));
    let refused = site.contribute_asking().await.unwrap_err();
    assert!(refused.to_string().contains("never repeated"), "{refused}");
    let record = site.client.ledger.record(&first).unwrap().unwrap();
    assert_eq!(record.state, RecordState::Summed);
    assert_eq!(client, record.header.client);
}

fn served_proof(site: &Site) -> CohortProof {
    site.fake
        .with(|fake| fake.released.as_ref().unwrap().proof.clone())
}
