//! Each limit at its exact value: what still fits, and the first that does not.

use sealsum_enclave_core::MEMORY_CEILING;
use sealsum_protocol::messages::{Contribute, Description, OpenRound};
use sealsum_protocol::{Command, Refusal, Reply, RoundTerms};
use sealsum_testkit::{Link, LocalEnclave, ScriptedParent, UncheckedClient, presum, sign, stream};

fn describe(enclave: &mut LocalEnclave) -> Description {
    match enclave.say(Command::Describe) {
        Reply::Description(about) => about,
        other => panic!("{other:?}"),
    }
}

fn open(enclave: &mut LocalEnclave, terms: RoundTerms) -> Reply {
    enclave.say(Command::OpenRound(Box::new(OpenRound {
        params: sign(terms),
    })))
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
