//! Staging: one whole contribution outside the sum, until all of it is checked (I9).
//!
//! Blocks arrive in order; after the last, the commitment is compared, the mask
//! removed, the bounds checked. Only then does the caller add it. A staging that is
//! dropped half-way leaves nothing.

use sealsum_protocol::messages::{StageBlock, Staging};
use sealsum_protocol::pack::{UnpackError, unpack};
use sealsum_protocol::{CommitmentBuilder, Refusal, RoundParams};

use crate::accepted::{AcceptedContribution, OpenedContribution};
use crate::bounds::BoundsCheck;
use crate::enclave::ConnectionId;
use crate::secret_blocks::SecretBlocks;

/// A contribution on its way in.
pub(crate) struct StagedContribution {
    connection: ConnectionId,
    opened: OpenedContribution,
    blocks: SecretBlocks,
    commitment: CommitmentBuilder,
    next: u64,
}
sealsum_protocol::secret!(StagedContribution);

/// A whole contribution: unmasked, within its bounds, not yet in the sum.
pub(crate) struct CheckedContribution {
    opened: OpenedContribution,
    blocks: SecretBlocks,
}
sealsum_protocol::secret!(CheckedContribution);

impl StagedContribution {
    pub(crate) fn begin(
        connection: ConnectionId,
        opened: OpenedContribution,
        params: &RoundParams,
    ) -> Self {
        Self {
            connection,
            opened,
            blocks: SecretBlocks::empty(params.layout()),
            commitment: CommitmentBuilder::masked_update(),
            next: 0,
        }
    }

    pub(crate) const fn connection(&self) -> ConnectionId {
        self.connection
    }

    pub(crate) const fn opened(&self) -> &OpenedContribution {
        &self.opened
    }

    pub(crate) const fn staging(&self) -> Staging {
        Staging { next: self.next }
    }

    /// Whether `block` is the one awaited.
    pub(crate) fn awaits(&self, connection: ConnectionId, block: &StageBlock) -> bool {
        self.connection == connection
            && self.opened.header().client == block.client
            && self.next == block.index
    }

    /// Takes the next block's bytes.
    ///
    /// # Errors
    /// `BlockLength`, which changes nothing, or the single-shot `Padding`.
    pub(crate) fn push(&mut self, bytes: &[u8], params: &RoundParams) -> Result<(), Refusal> {
        let layout = params.layout();
        let elements = layout
            .elements(self.next)
            .ok_or(Refusal::NotStaging { next: self.next })?;
        let block = unpack(bytes, layout.bits(), elements).map_err(|error| match error {
            UnpackError::Length { expected, .. } => Refusal::BlockLength {
                expected: u64::try_from(expected).unwrap_or(u64::MAX),
            },
            _ => Refusal::Padding,
        })?;
        self.commitment.push(bytes);
        self.blocks.push(block);
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    pub(crate) fn is_whole(&self, params: &RoundParams) -> bool {
        self.next == params.layout().blocks()
    }

    /// Compares the commitment, removes the mask, checks the bounds.
    ///
    /// # Errors
    /// The single-shot `CommitmentMismatch` and `NormAboveBound`.
    pub(crate) fn check(mut self, params: &RoundParams) -> Result<CheckedContribution, Refusal> {
        if self.commitment.root() != self.opened.header().commitment.0 {
            return Err(Refusal::CommitmentMismatch);
        }
        let terms = params.terms();
        let mut bounds = BoundsCheck::new(terms.clip, self.opened.weight(), terms.l2_bound);
        let mut mask = self.opened.seed().expand(terms.ring_bits);
        for (index, block) in params.layout().indices().zip(self.blocks.blocks_mut()) {
            mask.wrapping_sub_from(index, block)
                .map_err(|_| Refusal::CommitmentMismatch)?;
            bounds.take(block);
        }
        // One verdict for both bounds, after the whole vector.
        if !bounds.is_within() {
            return Err(Refusal::NormAboveBound);
        }
        Ok(CheckedContribution {
            opened: self.opened,
            blocks: self.blocks,
        })
    }
}

impl CheckedContribution {
    /// Adds the update to the sum and erases it and its seed.
    pub(crate) fn add_to(self, sum: &mut SecretBlocks) -> AcceptedContribution {
        for (sum, block) in sum.blocks_mut().iter_mut().zip(self.blocks.blocks()) {
            // Both have the parameters' layout: the sum was made of it, the update checked against it.
            let added = sum.wrapping_add(block);
            debug_assert!(added.is_ok());
        }
        self.opened.spend_seed()
    }
}
