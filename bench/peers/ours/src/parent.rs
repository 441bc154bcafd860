//! What the parent computes in a presum round, from the parts that its own code uses, without
//! its disk: bodies checked as they arrive, checked again and added, the sum committed to.

use anyhow::{Context as _, Result, ensure};
use sealsum_protocol::messages::Close;
use sealsum_protocol::pack::{add_packed, pack};
use sealsum_protocol::{
    BlockLayout, ClientId, Cohort, Commitment, CommitmentBuilder, ContributionHeader, Digest,
    RingVector, RoundId,
};

/// The parent's share of one round.
pub(crate) struct Parent {
    layout: BlockLayout,
    sum: Vec<RingVector>,
    members: Vec<(ClientId, Digest)>,
    commitment: CommitmentBuilder,
    packed: Vec<Vec<u8>>,
}

impl Parent {
    /// Nothing is added yet.
    pub(crate) fn new(layout: BlockLayout) -> Self {
        let zeros = |index| RingVector::zeros(layout.bits(), layout.elements(index).unwrap_or(0));
        Self {
            layout,
            sum: layout.indices().map(zeros).collect(),
            members: Vec::new(),
            commitment: CommitmentBuilder::masked_sum(),
            packed: Vec::new(),
        }
    }

    /// Checks a body against its header's commitment, as an upload is.
    pub(crate) fn check(&self, header: &ContributionHeader, body: &[u8]) -> Result<()> {
        let mut commitment = CommitmentBuilder::masked_update();
        blocks(self.layout, body).for_each(|block| commitment.push(block));
        ensure!(
            header.commitment == Commitment(commitment.root()),
            "another body"
        );
        Ok(())
    }

    /// Checks a body while it is added.
    pub(crate) fn add(&mut self, header: &ContributionHeader, body: &[u8]) -> Result<()> {
        let mut commitment = CommitmentBuilder::masked_update();
        for (sum, block) in self.sum.iter_mut().zip(blocks(self.layout, body)) {
            commitment.push(block);
            add_packed(sum, block)?;
        }
        ensure!(
            header.commitment == Commitment(commitment.root()),
            "another body"
        );
        self.members.push((header.client, header.digest()));
        Ok(())
    }

    /// Commits to cohort and sum.
    pub(crate) fn close(&mut self, round_id: RoundId) -> Close {
        self.packed = self.sum.iter().map(pack).collect();
        self.packed
            .iter()
            .for_each(|block| self.commitment.push(block));
        let cohort: Cohort = self.members.iter().copied().collect();
        Close {
            round_id,
            cohort_root: cohort.root(),
            sum_root: Some(self.commitment.root()),
            excluded: Vec::new(),
        }
    }

    /// One block of the sum, with its path.
    pub(crate) fn block(&self, index: u64) -> Result<(Vec<Digest>, Vec<u8>)> {
        let path = self.commitment.path(index).context("a path")?;
        let block = self
            .packed
            .get(usize::try_from(index)?)
            .context("a block")?;
        Ok((path, block.clone()))
    }
}

fn blocks(layout: BlockLayout, body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.chunks(layout.bytes(0).unwrap_or(1).max(1))
}
