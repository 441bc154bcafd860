//! What comes after a contribution: aborts, true and false, and the released sum.

use super::*;

#[tokio::test]
async fn a_false_abort_and_a_second_round_on_the_same_model_get_no_second_contribution() {
    let mut site = Site::new().await;
    site.contribute(&VALUES).await.unwrap();
    let first = site.round_id();
    let Client { parent, ledger, .. } = &mut site.client;
    // The parent says "aborted" and has no proof; then one that another enclave signed.
    let refused = refund(parent, ledger, &first).await.unwrap_err();
    assert!(matches!(refused, RefundFailed::NoProof(_)), "{refused}");
    site.fake.with(|fake| {
        let receipt = AbortReceipt {
            round_id: first,
            discarded: 1,
        };
        fake.abort_receipt = Some(Round::new(2).receipts.sign(receipt));
    });
    let refused = refund(parent, ledger, &first).await.unwrap_err();
    assert!(matches!(
        refused,
        RefundFailed::Refused(RefundRefused::Signature(_))
    ));
    site.fake.with(|fake| fake.round = Round::new(2));
    let refused = site.contribute(&VALUES).await.unwrap_err();
    assert!(matches!(
        refused,
        ContributeRefused::Spend(SpendRefused::SpentBefore(_))
    ));
    assert_eq!(site.uploads().len(), 1);
}

#[tokio::test]
async fn a_true_abort_frees_the_round_for_the_next_one() {
    let mut site = Site::new().await;
    site.contribute(&VALUES).await.unwrap();
    let first = site.round_id();
    site.fake.with(|fake| {
        let receipt = AbortReceipt {
            round_id: first,
            discarded: 1,
        };
        fake.abort_receipt = Some(fake.round.receipts.sign(receipt));
    });
    let Client { parent, ledger, .. } = &mut site.client;
    let proof = refund(parent, ledger, &first).await.unwrap();
    assert_eq!(proof, RefundProof::AbortReceipt);
    site.fake.with(|fake| fake.round = Round::new(2));
    assert_eq!(site.contribute(&VALUES).await.unwrap().budget_left, 9);
}

#[tokio::test]
async fn a_released_sum_is_verified_and_this_site_found_in_it() {
    let mut site = Site::new().await;
    let own = site.contribute(&VALUES).await.unwrap().acceptance;
    site.release(Some(own.contribution));
    let collected = site.collect().await.unwrap();
    assert_eq!(collected.values, [7.5; 10]);
    assert_eq!(collected.own_contribution, OwnContribution::In);
    assert_eq!(site.state(), RecordState::Summed);
}

#[tokio::test]
async fn a_site_that_was_dropped_learns_it_and_is_freed_by_that_proof() {
    let mut site = Site::new().await;
    site.contribute(&VALUES).await.unwrap();
    site.release(None);
    let collected = site.collect().await.unwrap();
    assert_eq!(collected.own_contribution, OwnContribution::Out);
    let round_id = site.round_id();
    let Client { parent, ledger, .. } = &mut site.client;
    let proof = refund(parent, ledger, &round_id).await.unwrap();
    assert_eq!((proof, site.used()), (RefundProof::Exclusion, 0));
}

#[tokio::test]
async fn an_accepted_site_that_is_left_out_without_a_word_is_an_alarm() {
    let mut site = Site::new().await;
    site.contribute(&VALUES).await.unwrap();
    site.release(None);
    site.fake.with(|fake| {
        let released = fake.released.as_mut().unwrap();
        let mut receipt = released.receipt.unverified().clone();
        receipt.excluded.clear();
        released.receipt = fake.round.receipts.sign(receipt);
    });
    assert!(matches!(
        site.collect().await,
        Err(CollectRefused::AcceptedYetOut(_))
    ));
}

#[tokio::test]
async fn another_contribution_under_this_sites_id_is_an_alarm() {
    let mut site = Site::new().await;
    site.contribute(&VALUES).await.unwrap();
    site.release(Some(Digest::new([0x66; 32])));
    assert!(matches!(
        site.collect().await,
        Err(CollectRefused::OtherContribution { .. })
    ));
}

#[tokio::test]
async fn an_aggregate_or_receipt_that_was_changed_is_refused() {
    let mut site = Site::new().await;
    site.release(None);
    site.fake
        .with(|fake| fake.released.as_mut().unwrap().aggregate[7] ^= 1);
    assert!(matches!(
        site.collect().await,
        Err(CollectRefused::Aggregate(
            AggregateRefused::OtherAggregate { .. }
        ))
    ));
    site.release(None);
    site.fake.with(|fake| {
        let released = fake.released.as_mut().unwrap();
        let mut receipt = released.receipt.unverified().clone();
        receipt.cohort_size = 4;
        released.receipt = Round::new(2).receipts.sign(receipt);
    });
    assert!(matches!(
        site.collect().await,
        Err(CollectRefused::Receipt(ReceiptRefused::Signature(_)))
    ));
    // Signed by the enclave, but by no honest image: below the round's own minimum.
    site.release(None);
    site.fake.with(|fake| {
        let released = fake.released.as_mut().unwrap();
        let mut receipt = released.receipt.unverified().clone();
        (receipt.cohort_size, receipt.total_weight) = (2, 2);
        released.receipt = fake.round.receipts.sign(receipt);
    });
    assert!(matches!(
        site.collect().await,
        Err(CollectRefused::Receipt(ReceiptRefused::AgainstTerms(
            "cohort_size"
        )))
    ));
}
