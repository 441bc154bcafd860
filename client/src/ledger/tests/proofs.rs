//! What frees a round, and what counts as an acceptance.

use super::*;

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

/// It may be somebody else's, or this site's own from before its ledger was restored: a refund
/// would let it seal again for a model that it is in a sum of.
#[test]
fn a_receipt_with_another_contribution_under_this_id_frees_nothing() {
    let mut site = Site::new();
    let round = Round::new(1);
    let _ = site.spend(&round).unwrap();
    let (receipt, cohort) = site.receipt(&round, Some(sealsum_protocol::Digest::new([9; 32])));
    let proof = cohort.prove(&site.ledger.client_id());
    assert!(matches!(
        site.ledger
            .refund_by_exclusion(&round.id(), &receipt, &proof),
        Err(RefundRefused::InTheSum(_))
    ));
    assert_eq!((site.used(), site.state(&round)), (1, RecordState::Sealed));
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
    // A proof of absence out of another cohort, and one about another client.
    let (_, without) = site.receipt(&round, None);
    let lie = refused(&mut site, &receipt, &without.prove(&client));
    assert!(matches!(lie, RefundRefused::Proof(_)), "{lie}");
    let stranger = cohort.prove(&ClientId::new([1; 32]));
    let lie = refused(&mut site, &receipt, &stranger);
    assert!(matches!(lie, RefundRefused::Proof(_)), "{lie}");
    // A receipt without this site that another key signed.
    let (foreign, _) = site.receipt(&Round::new(2), None);
    let forged = refused(&mut site, &foreign, &without.prove(&client));
    assert!(matches!(forged, RefundRefused::Signature(_)), "{forged}");
    assert_eq!((site.used(), site.state(&round)), (1, RecordState::Sealed));
    // The truth is noted.
    let own = refused(&mut site, &receipt, &cohort.prove(&client));
    assert!(matches!(own, RefundRefused::InTheSum(_)), "{own}");
    assert_eq!((site.used(), site.state(&round)), (1, RecordState::Summed));
}

#[test]
fn an_acceptance_is_stored_and_the_masked_update_sent_no_more() {
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
    assert_eq!(site.files(), [""; 0]);
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
