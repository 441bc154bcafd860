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
            let sealed = records.iter().filter(|r| r.state == RecordState::Sealed);
            let mut files: Vec<_> = sealed.map(|r| format!("ledger-mock.db.{}.masked", r.round_id)).collect();
            files.sort();
            prop_assert_eq!(site.files(), files);
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
