//! Spending under random orders of events.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Round number, model, enclave; committed or dropped.
    Spend(u8, u8, u8, bool),
    /// Abort receipt for the n-th record; genuine or not.
    Refund(usize, bool),
    Summed(usize),
    Accept(usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0_u8..3, 0_u8..3, 0_u8..3, prop::bool::weighted(0.8))
            .prop_map(|(number, model, enclave, commit)| Step::Spend(number, model, enclave, commit)),
        3 => (0_usize..6, any::<bool>()).prop_map(|(at, genuine)| Step::Refund(at, genuine)),
        1 => (0_usize..6).prop_map(Step::Summed),
        3 => (0_usize..6).prop_map(Step::Accept),
        2 => Just(Step::Reopen),
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
        let mut states = Vec::new();
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
                            states.push(RecordState::Sealed);
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
                    let refundable = matches!(states[at], RecordState::Sealed | RecordState::Accepted);
                    let freed = site.ledger.refund_by_abort(&round.id(), &receipt).is_ok();
                    prop_assert_eq!(freed, genuine && refundable);
                    if freed {
                        states[at] = RecordState::Refunded;
                    }
                },
                Step::Summed(at) => if let Some(round) = rounds.get(at) {
                    site.ledger.record_summed(&round.id()).unwrap();
                    if states[at] != RecordState::Refunded {
                        states[at] = RecordState::Summed;
                    }
                },
                Step::Accept(at) => if let Some(round) = rounds.get(at) {
                    site.accept(round);
                    if states[at] == RecordState::Sealed {
                        states[at] = RecordState::Accepted;
                    }
                },
                Step::Reopen => site = site.reopen(),
            }
            let records = site.ledger.records().unwrap();
            let found: Vec<_> = records.iter().map(|record| record.state).collect();
            prop_assert_eq!(&found, &states);
            // What waits is whole, in the outbox or in a file of its own, and nothing else is.
            let mut in_outbox = 0;
            for (record, round) in records.iter().zip(&rounds) {
                let stored = site.ledger.stored(&record.round_id).unwrap();
                let waits = record.state == RecordState::Sealed;
                prop_assert_eq!(stored.is_some(), waits);
                let has_file = site.file(round).exists();
                prop_assert!(waits || !has_file);
                in_outbox += usize::from(waits && !has_file);
            }
            prop_assert!(in_outbox <= 1);
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
