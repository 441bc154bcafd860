//! Each limit at its exact value: what still fits, and the first that does not.

use sealsum_enclave_core::{MEMORY_CEILING, RELEASE_TIMEOUT_MS};
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::messages::{Close, Contribute, Description, EXCLUSION_LIMIT};
use sealsum_protocol::{
    AggregationRule, Command, Encoding, Refusal, Reply, RoundParams, RoundTerms,
};
use sealsum_testkit::{
    Contribution, Link, LocalEnclave, ScriptedParent, UncheckedClient, admission, open_round,
    presum, registry, sign, stream,
};

fn describe(enclave: &mut LocalEnclave) -> Description {
    match enclave.say(Command::Describe) {
        Reply::Description(about) => about,
        other => panic!("{other:?}"),
    }
}

fn open(enclave: &mut LocalEnclave, terms: RoundTerms) -> Reply {
    enclave.say(open_round(sign(terms)))
}

#[test]
fn a_round_fits_into_exactly_the_memory_that_it_needs() {
    for terms in [stream, presum] {
        let Reply::Refused(Refusal::Memory { needed, available }) =
            open(&mut LocalEnclave::with_memory(1, 0), terms())
        else {
            panic!("a round in no memory")
        };
        assert_eq!(available, 0);
        let short = open(&mut LocalEnclave::with_memory(1, needed - 1), terms());
        assert_eq!(
            short,
            Reply::Refused(Refusal::Memory {
                needed,
                available: needed - 1
            })
        );
        let mut exact = LocalEnclave::with_memory(1, needed);
        assert!(matches!(open(&mut exact, terms()), Reply::Opened(_)));
        assert_eq!(describe(&mut exact).memory_reserved, needed);
        assert_eq!(describe(&mut exact).memory_ceiling, needed);
        let second = open(&mut exact, terms());
        assert_eq!(
            second,
            Reply::Refused(Refusal::Memory {
                needed,
                available: 0
            })
        );
    }
    assert_eq!(
        describe(&mut LocalEnclave::new(1)).memory_ceiling,
        MEMORY_CEILING
    );
}

#[test]
fn a_round_counts_as_open_until_it_is_over_and_is_over_once() {
    let mut enclave = LocalEnclave::new(1);
    let first = ScriptedParent::open(&mut enclave, stream());
    first.abort(&mut enclave);
    let mut parent = ScriptedParent::open(&mut enclave, stream());
    parent.fill(&mut enclave, 0..3, 0.5);
    parent.close(&mut enclave).unwrap();
    parent.close(&mut enclave).unwrap();
    assert_eq!(describe(&mut enclave).open_rounds, 1, "releasing is open");
    // More often than records of ended rounds are kept.
    for _ in 0..100 {
        assert!(matches!(first.abort(&mut enclave), Reply::Aborted(_)));
    }
    assert_eq!(describe(&mut enclave).open_rounds, 1);
    parent.release(&mut enclave);
    assert_eq!(describe(&mut enclave).open_rounds, 0);
}

#[test]
fn a_connection_that_ends_drops_what_it_was_staging_and_no_one_elses() {
    let mut enclave = LocalEnclave::new(1);
    let mut parent = ScriptedParent::open(&mut enclave, stream());
    let update = [0.5; 20];
    let [staging, waiting] =
        [1, 2].map(|n| UncheckedClient::new(n).contribute(&parent.binding, &update));
    let begin = |link: &mut LocalEnclave| {
        let header = staging.header.clone();
        link.say(Command::Contribute(Box::new(Contribute { header })))
    };
    assert!(matches!(begin(&mut enclave), Reply::Staging(_)));
    let mut other = enclave.connect(2);
    enclave.connect(3).disconnect();
    assert_eq!(
        parent.relay(&mut other, &waiting).unwrap_err(),
        Refusal::Busy
    );
    enclave.disconnect();
    parent.relay(&mut other, &waiting).unwrap();
    // What was dropped is not burned: it may come again, whole.
    parent.relay(&mut enclave.connect(4), &staging).unwrap();
}

#[test]
fn what_a_round_reserves_is_its_vectors_its_clients_and_half_a_mebibyte() {
    let needed = |terms: RoundTerms| {
        let mut enclave = LocalEnclave::new(1);
        assert!(matches!(open(&mut enclave, terms), Reply::Opened(_)));
        describe(&mut enclave).memory_reserved
    };
    let clients = (10 + 4096) * 512;
    let fixed = clients + 192 + 524_288;
    assert_eq!(needed(presum()), fixed);
    assert_eq!(needed(stream()), fixed + 2 * 20 * 4);
    let two_blocks = RoundTerms {
        dimension: 16_385,
        ..presum()
    };
    assert_eq!(needed(two_blocks), fixed + 192);
    let admitted = RoundTerms {
        admission: admission(&registry(0..8)),
        ..presum()
    };
    assert_eq!(needed(admitted), fixed + 65_536);
}

#[test]
fn a_release_has_an_hour_to_the_millisecond() {
    assert_eq!(RELEASE_TIMEOUT_MS, 3_600_000);
    let mut enclave = LocalEnclave::new(1);
    let mut parent = ScriptedParent::open(&mut enclave, stream());
    parent.fill(&mut enclave, 0..3, 0.5);
    parent.close(&mut enclave).unwrap();
    enclave.clock.advance(RELEASE_TIMEOUT_MS);
    enclave.erase_overdue();
    assert_eq!(describe(&mut enclave).open_rounds, 1);
    enclave.clock.advance(1);
    enclave.erase_overdue();
    assert_eq!(describe(&mut enclave).open_rounds, 0);
}

#[test]
fn a_block_is_released_three_times_and_not_a_fourth() {
    for terms in [stream(), presum()] {
        let mut enclave = LocalEnclave::new(1);
        let mut parent = ScriptedParent::open(&mut enclave, terms);
        parent.fill(&mut enclave, 0..3, 0.5);
        parent.close(&mut enclave).unwrap();
        let first = parent.release_block(&mut enclave, 0).unwrap();
        for _ in 0..2 {
            assert_eq!(parent.release_block(&mut enclave, 0), Ok(first.clone()));
        }
        assert_eq!(
            parent.release_block(&mut enclave, 0),
            Err(Refusal::NoMoreOfThisBlock)
        );
        assert_eq!(
            parent.release_block(&mut enclave, 1),
            Err(Refusal::NoMoreOfThisBlock)
        );
        parent.finish(&mut enclave).unwrap();
    }
}

/// A `presum` round of three, and its Close, which leaves `excluded` others out.
fn with_many(enclave: &mut LocalEnclave, excluded: usize) -> (ScriptedParent, Close) {
    let clients = u32::try_from(excluded + 3).unwrap();
    let mut parent = ScriptedParent::open(
        enclave,
        RoundTerms {
            max_cohort: clients,
            ring_bits: 32.try_into().unwrap(),
            dimension: 1,
            ..presum()
        },
    );
    parent.fill(enclave, 0..u64::from(clients), 0.5);
    parent.accepted.sort_by_key(|one| one.header.client);
    let out = parent.accepted.drain(..excluded);
    let excluded = out.map(|one| one.header.client).collect();
    let close = parent.honest_close();
    (parent, Close { excluded, ..close })
}

#[test]
fn as_many_are_excluded_as_a_receipt_can_name_in_order() {
    let mut enclave = LocalEnclave::new(1);
    let (_, close) = with_many(&mut enclave, EXCLUSION_LIMIT + 1);
    assert_eq!(enclave.refused(Command::Close(close)), Refusal::Exclusions);

    let (parent, close) = with_many(&mut enclave, EXCLUSION_LIMIT);
    let mut backwards = close.clone();
    backwards.excluded.reverse();
    assert_eq!(
        enclave.refused(Command::Close(backwards)),
        Refusal::Exclusions
    );
    assert!(matches!(
        enclave.say(Command::Close(close)),
        Reply::Closed(_)
    ));
    assert_eq!(parent.release(&mut enclave).0, [1.5]);
}

#[test]
fn an_update_of_exactly_the_bound_is_within_it() {
    // One step is 2^-12, so that a single element of 1 has the norm 4096.
    let exact = RoundTerms {
        l2_bound: Some(4096),
        clip: 1 << 12,
        ..stream()
    };
    let mut enclave = LocalEnclave::new(1);
    let mut parent = ScriptedParent::open(&mut enclave, exact);
    let mut values = [0.0; 20];
    values[7] = 1.0;
    let at_the_bound = UncheckedClient::new(1).contribute(&parent.binding, &values);
    parent.relay(&mut enclave, &at_the_bound).unwrap();

    // A step more in another place, encoded by a client that knows no bound.
    values[8] = 1.0 / 4096.0;
    let lax = RoundParams::new(RoundTerms {
        l2_bound: None,
        ..parent.terms().clone()
    });
    let seed = RoundingSeed::new([1; 32]);
    let above = Encoding::new(&lax.unwrap(), &values, 1, OutOfRange::Refuse, &seed);
    let above = UncheckedClient::new(2).seal(&parent.binding, above.unwrap());
    assert_eq!(
        parent.relay(&mut enclave, &above).unwrap_err(),
        Refusal::NormAboveBound
    );
}

#[test]
fn a_block_of_the_wrong_length_burns_no_one() {
    let mut enclave = LocalEnclave::new(1);
    let mut parent = ScriptedParent::open(&mut enclave, stream());
    let whole = UncheckedClient::new(1).contribute(&parent.binding, &[0.5; 20]);
    let cut = Contribution {
        body: whole.body[1..].to_vec(),
        ..whole.clone()
    };
    assert_eq!(
        parent.relay(&mut enclave, &cut).unwrap_err(),
        Refusal::BlockLength { expected: 60 }
    );
    parent.relay(&mut enclave, &whole).unwrap();
}

#[test]
fn a_key_is_spent_by_what_it_opened_and_not_by_a_copy() {
    let mut enclave = LocalEnclave::new(1);
    let mut parent = ScriptedParent::open(
        &mut enclave,
        RoundTerms {
            rule: AggregationRule::WeightedMean,
            max_weight: 10,
            ..stream()
        },
    );
    let honest = UncheckedClient::new(1).contribute(&parent.binding, &[0.5; 20]);
    let copied_by = |n| {
        let mut copy = honest.clone();
        copy.header.client = UncheckedClient::new(n).id();
        copy
    };
    assert_eq!(
        parent.relay(&mut enclave, &copied_by(2)).unwrap_err(),
        Refusal::DoesNotOpen
    );
    // The copy took nothing from its owner. What the owner's own key opened spends it,
    // although the update behind it is refused.
    let mut falsified = honest.clone();
    falsified.body[0] ^= 1;
    assert_eq!(
        parent.relay(&mut enclave, &falsified).unwrap_err(),
        Refusal::CommitmentMismatch
    );
    assert_eq!(
        parent.relay(&mut enclave, &copied_by(3)).unwrap_err(),
        Refusal::RepeatedKey
    );
}
