//! The enclave's core in this process, and a round in it that only has to be released.

use std::num::NonZeroUsize;

use sealsum_enclave_core::{ConnectionId, Enclave, MEMORY_CEILING};
use sealsum_protocol::commitment::CommitmentBuilder;
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::messages::{Close, Contribute, ReleaseBlock};
use sealsum_protocol::pack::pack;
use sealsum_protocol::{
    Command, Digest, Encoding, Intake, Reply, RoundId, RoundParams, RoundTerms,
};
use sealsum_testkit::{Contribution, Link, ScriptedParent, TestClock, TestNsm, UncheckedClient};

use super::terms;
use crate::parts::{layout, vector};

/// A core, as whoever runs it makes it.
pub(crate) struct Core(Enclave<TestNsm, TestClock>);

impl Core {
    pub(crate) fn new() -> Self {
        let enclave = Enclave::new(TestNsm::new(1), TestClock::default(), MEMORY_CEILING);
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self(enclave.with_threads(processors))
    }
}

impl Link for Core {
    fn call(&mut self, command: Command, body: &[u8]) -> (Reply, Vec<u8>) {
        let answer = self.0.handle(ConnectionId(1), command, body);
        (answer.reply, answer.body)
    }
}

/// A closed `presum` round of 32 bits with all that is asked of it to release it.
pub(crate) struct Releasing {
    core: Core,
    round_id: RoundId,
    blocks: Vec<(Vec<u8>, Vec<Digest>)>,
}

impl Releasing {
    /// A round of `cohort_size` clients whose masked updates were never made: their headers are
    /// sound, and the enclave sees no more of them in `presum`.
    pub(crate) fn new(dimension: u64, cohort_size: u32) -> Self {
        let mut core = Core::new();
        let terms = RoundTerms {
            max_cohort: cohort_size,
            ..terms(Intake::Presum, dimension, 32)
        };
        let mut parent = ScriptedParent::open(&mut core, terms);
        for n in 0..cohort_size {
            let update = short_update();
            let sealed = UncheckedClient::new(n.into()).seal(&parent.binding, update);
            let header = sealed.header.clone();
            let said = core.say(Command::Contribute(Box::new(Contribute { header })));
            assert!(matches!(said, Reply::Accepted(_)), "{said:?}");
            parent.accepted.push(Contribution {
                body: Vec::new(),
                ..sealed
            });
        }
        let round_id = parent.round_id();
        let packed: Vec<_> = vector(layout(dimension, 32)).iter().map(pack).collect();
        let mut sum = CommitmentBuilder::masked_sum();
        packed.iter().for_each(|block| sum.push(block));
        let close = Close {
            round_id,
            cohort_root: parent
                .accepted
                .iter()
                .map(|c| (c.header.client, c.header.digest()))
                .collect::<sealsum_protocol::Cohort>()
                .root(),
            sum_root: Some(sum.root()),
            excluded: Vec::new(),
        };
        let said = core.say(Command::Close(close));
        assert!(matches!(said, Reply::Closed(_)), "{said:?}");
        let blocks = (0..)
            .zip(packed)
            .map(|(index, block)| (block, sum.path(index).expect("a block of the sum")))
            .collect();
        Self {
            core,
            round_id,
            blocks,
        }
    }

    /// Releases every block. The core lets each out three times and no more.
    pub(crate) fn release(&mut self) {
        for (index, (block, path)) in (0..).zip(&self.blocks) {
            let command = Command::ReleaseBlock(ReleaseBlock {
                round_id: self.round_id,
                index,
                path: path.clone(),
            });
            let (said, aggregate) = self.core.call(command, block);
            assert!(matches!(said, Reply::Released(_)), "{said:?}");
            assert_eq!(aggregate.len(), block.len());
        }
    }
}

/// How often a round can be released.
pub(crate) const RELEASES: usize = 3;

/// An update of one element: what it is masked into is thrown away.
fn short_update() -> Encoding<'static> {
    let params = RoundParams::new(terms(Intake::Presum, 1, 32)).expect("they fit");
    let seed = RoundingSeed::new([9; 32]);
    Encoding::new(&params, &[0.5], 1, OutOfRange::Clamp, &seed).expect("it fits")
}
