//! A parent that tests script: it relays, sums and closes as an honest one would,
//! and every step can be left out, repeated or falsified.

use sealsum_protocol::commitment::CommitmentBuilder;
use sealsum_protocol::messages::{
    Abort, Acknowledge, Close, Contribute, Finish, ReleaseBlock, StageBlock,
};
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::receipt::{Acceptance, Receipt};
use sealsum_protocol::{
    BlockLayout, Cohort, Command, ContributionHeader, Intake, Refusal, Reply, RingVector,
    RoundBinding, RoundId, RoundTerms, Signed, fixed,
};

use crate::{Link, UncheckedClient, open_round, sign};

/// A header and its masked update.
#[derive(Clone)]
pub struct Contribution {
    /// The header.
    pub header: ContributionHeader,
    /// The packed blocks, one after the other.
    pub body: Vec<u8>,
}

impl Contribution {
    /// The body's blocks.
    pub fn blocks(&self, layout: BlockLayout) -> impl Iterator<Item = &[u8]> {
        let full = layout.bytes(0).unwrap();
        self.body.chunks(full)
    }
}

/// One round, as its parent sees it.
pub struct ScriptedParent {
    /// What the enclave bound.
    pub binding: RoundBinding,
    /// Contributions that were accepted.
    pub accepted: Vec<Contribution>,
}

impl ScriptedParent {
    /// Opens a round.
    pub fn open(link: &mut impl Link, terms: RoundTerms) -> Self {
        match link.say(open_round(sign(terms))) {
            Reply::Opened(opened) => Self {
                binding: opened.binding,
                accepted: Vec::new(),
            },
            other => panic!("not opened: {other:?}"),
        }
    }

    /// The round's id.
    #[must_use]
    pub fn round_id(&self) -> RoundId {
        self.binding.round_id()
    }

    /// The parameters.
    #[must_use]
    pub fn terms(&self) -> &RoundTerms {
        self.binding.params.params.terms()
    }

    /// How vectors fall into blocks.
    #[must_use]
    pub fn layout(&self) -> BlockLayout {
        self.binding.params.params.layout()
    }

    /// Relays a whole contribution.
    pub fn relay(
        &mut self,
        link: &mut impl Link,
        contribution: &Contribution,
    ) -> Result<Signed<Acceptance>, Refusal> {
        let header = contribution.header.clone();
        let mut reply = link.say(Command::Contribute(Box::new(Contribute { header })));
        if matches!(reply, Reply::Staging(_)) {
            for (index, block) in self
                .layout()
                .indices()
                .zip(contribution.blocks(self.layout()))
            {
                reply = self.stage(link, contribution, index, block);
                if matches!(reply, Reply::Refused(_)) {
                    break;
                }
            }
        }
        match reply {
            Reply::Accepted(acceptance) => {
                self.accepted.push(contribution.clone());
                Ok(acceptance)
            }
            Reply::Refused(refusal) => Err(refusal),
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// Relays an honest contribution of each of these clients, all of its coordinates `value`.
    pub fn fill(
        &mut self,
        link: &mut impl Link,
        clients: impl IntoIterator<Item = u64>,
        value: f64,
    ) {
        let update = vec![value; usize::try_from(self.terms().dimension).unwrap()];
        for n in clients {
            let contribution = UncheckedClient::new(n).contribute(&self.binding, &update);
            self.relay(link, &contribution).unwrap();
        }
    }

    /// Sends one block of a contribution.
    pub fn stage(
        &self,
        link: &mut impl Link,
        contribution: &Contribution,
        index: u64,
        block: &[u8],
    ) -> Reply {
        let client = contribution.header.client;
        link.call(
            Command::StageBlock(StageBlock {
                round_id: self.round_id(),
                client,
                index,
            }),
            block,
        )
        .0
    }

    /// The sum of the accepted masked updates, block by block.
    #[must_use]
    pub fn masked_sum(&self) -> Vec<RingVector> {
        let layout = self.layout();
        let mut sum: Vec<_> = layout
            .indices()
            .map(|j| RingVector::zeros(layout.bits(), layout.elements(j).unwrap()))
            .collect();
        for contribution in &self.accepted {
            for (sum, block) in sum.iter_mut().zip(contribution.blocks(layout)) {
                sum.wrapping_add(&unpack(block, layout.bits(), sum.len()).unwrap())
                    .unwrap();
            }
        }
        sum
    }

    /// The close that an honest parent sends.
    #[must_use]
    pub fn honest_close(&self) -> Close {
        let cohort: Cohort = self
            .accepted
            .iter()
            .map(|c| (c.header.client, c.header.digest()))
            .collect();
        let sum_root =
            (self.terms().intake == Intake::Presum).then(|| self.sum_commitment().root());
        Close {
            round_id: self.round_id(),
            cohort_root: cohort.root(),
            sum_root,
            excluded: Vec::new(),
        }
    }

    /// The commitment to [`ScriptedParent::masked_sum`].
    #[must_use]
    pub fn sum_commitment(&self) -> CommitmentBuilder {
        let mut commitment = CommitmentBuilder::masked_sum();
        self.masked_sum()
            .iter()
            .for_each(|block| commitment.push(&pack(block)));
        commitment
    }

    /// Closes honestly.
    pub fn close(&self, link: &mut impl Link) -> Result<(), Refusal> {
        match link.say(Command::Close(self.honest_close())) {
            Reply::Closed(_) => Ok(()),
            Reply::Refused(refusal) => Err(refusal),
            other => panic!("not closed: {other:?}"),
        }
    }

    /// Asks for one block of the aggregate.
    pub fn release_block(&self, link: &mut impl Link, index: u64) -> Result<Vec<u8>, Refusal> {
        let (path, body) = match self.terms().intake {
            Intake::Stream => (Vec::new(), Vec::new()),
            Intake::Presum => {
                let place = usize::try_from(index).unwrap();
                (
                    self.sum_commitment().path(index).unwrap_or_default(),
                    self.masked_sum().get(place).map(pack).unwrap_or_default(),
                )
            }
        };
        match link.call(
            Command::ReleaseBlock(ReleaseBlock {
                round_id: self.round_id(),
                index,
                path,
            }),
            &body,
        ) {
            (Reply::Released(_), block) => Ok(block),
            (Reply::Refused(refusal), _) => Err(refusal),
            (other, _) => panic!("not released: {other:?}"),
        }
    }

    /// Releases every block, takes the receipt and acknowledges it.
    pub fn release(&self, link: &mut impl Link) -> (Vec<f64>, Signed<Receipt>) {
        let layout = self.layout();
        let blocks: Vec<_> = layout
            .indices()
            .map(|index| {
                let bytes = self.release_block(link, index).unwrap();
                unpack(&bytes, layout.bits(), layout.elements(index).unwrap()).unwrap()
            })
            .collect();
        let receipt = self.finish(link).unwrap();
        assert_eq!(
            link.say(Command::Acknowledge(Acknowledge {
                round_id: self.round_id()
            })),
            Reply::Acknowledged
        );
        let stated = receipt
            .verify(&self.binding.receipt_key, &self.round_id())
            .unwrap();
        let values = fixed::decode(
            self.terms(),
            &blocks,
            stated.cohort_size,
            stated.total_weight,
        );
        (values, receipt)
    }

    /// Asks for the receipt.
    pub fn finish(&self, link: &mut impl Link) -> Result<Signed<Receipt>, Refusal> {
        match link.say(Command::Finish(Finish {
            round_id: self.round_id(),
        })) {
            Reply::Receipt(receipt) => Ok(*receipt),
            Reply::Refused(refusal) => Err(refusal),
            other => panic!("no receipt: {other:?}"),
        }
    }

    /// Asks for the round to be aborted.
    pub fn abort(&self, link: &mut impl Link) -> Reply {
        link.say(Command::Abort(Abort {
            round_id: self.round_id(),
        }))
    }
}
