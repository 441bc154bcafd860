//! Releasing: the only state that lets anything out, and what it lets out is a
//! function of what Close fixed (I13).
//!
//! At most one value per block, at most three times; from the first block on there
//! is no abort receipt; after the receipt, or when time is up, all is erased.

use sealsum_protocol::commitment::{aggregate_leaf, aggregate_root, is_block_of_sum};
use sealsum_protocol::messages::{Close, Closed, ReleaseBlock, ReleasedBlock};
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::receipt::{AbortReceipt, Receipt};
use sealsum_protocol::{
    Cohort, Digest, MaskSeed, ReceiptSigner, Refusal, RoundId, RoundParams, Signed,
};

use super::Ended;
use crate::memory::Reservation;
use crate::secret_blocks::SecretBlocks;
use crate::unmask::unmask;
use crate::workers::Workers;

/// Where the aggregate comes from.
pub(crate) enum Source {
    /// The unmasked sum, held here.
    Stream(SecretBlocks),
    /// The seeds; the masked sum is brought block by block.
    Presum(Vec<MaskSeed>),
}

/// A round whose cohort is fixed.
pub(crate) struct Releasing {
    round_id: RoundId,
    params: RoundParams,
    signer: ReceiptSigner,
    closed: Closed,
    close: Close,
    total_weight: u64,
    source: Source,
    blocks: Vec<BlockRecord>,
    receipt: Option<Signed<Receipt>>,
    closed_at: u64,
    _reservation: Reservation,
}

/// What has gone out of one block.
#[derive(Clone, Default)]
struct BlockRecord {
    times: u8,
    leaf: Option<Digest>,
}

impl Releasing {
    #[expect(
        clippy::too_many_arguments,
        reason = "all that Close fixes, from one caller"
    )]
    pub(crate) fn new(
        round_id: RoundId,
        params: RoundParams,
        signer: ReceiptSigner,
        cohort: &Cohort,
        total_weight: u64,
        source: Source,
        close: Close,
        now: u64,
        reservation: Reservation,
    ) -> Self {
        let blocks = params.layout().blocks();
        Self {
            round_id,
            params,
            signer,
            // The cohort has at most max_cohort members, a u32.
            closed: Closed {
                cohort_size: u32::try_from(cohort.size()).unwrap_or(u32::MAX),
                blocks,
            },
            close,
            total_weight,
            source,
            blocks: vec![BlockRecord::default(); usize::try_from(blocks).unwrap_or(0)],
            receipt: None,
            closed_at: now,
            _reservation: reservation,
        }
    }

    pub(crate) const fn closed(&self) -> Closed {
        self.closed
    }

    /// The same close again gets the same reply; another is refused (I3).
    pub(crate) fn close_again(&self, close: &Close) -> Result<Closed, Refusal> {
        if *close == self.close {
            Ok(self.closed)
        } else {
            Err(Refusal::OtherClose)
        }
    }

    /// Releases one block: the one place where a sum leaves the enclave (I2).
    pub(crate) fn release(
        &mut self,
        block: &ReleaseBlock,
        body: &[u8],
        workers: Workers,
    ) -> Result<(ReleasedBlock, Vec<u8>), Refusal> {
        let place = usize::try_from(block.index).map_err(|_| Refusal::NoMoreOfThisBlock)?;
        let record = self
            .blocks
            .get_mut(place)
            .filter(|record| record.times < TIMES_LIMIT)
            .ok_or(Refusal::NoMoreOfThisBlock)?;
        let aggregate = match &self.source {
            Source::Stream(sum) => {
                if !body.is_empty() || !block.path.is_empty() {
                    return Err(Refusal::WrongIntake);
                }
                pack(sum.blocks().get(place).ok_or(Refusal::NoMoreOfThisBlock)?)
            }
            Source::Presum(seeds) => {
                let layout = self.params.layout();
                let root = self.close.sum_root.ok_or(Refusal::WrongIntake)?;
                if !is_block_of_sum(body, block.index, layout.blocks(), &block.path, &root) {
                    return Err(Refusal::NotOfTheSum);
                }
                let elements = layout
                    .elements(block.index)
                    .ok_or(Refusal::NoMoreOfThisBlock)?;
                let mut sum =
                    unpack(body, layout.bits(), elements).map_err(|_| Refusal::NotOfTheSum)?;
                unmask(&mut sum, block.index, seeds, workers)?;
                pack(&sum)
            }
        };
        record.times = record.times.saturating_add(1);
        record.leaf = Some(aggregate_leaf(&aggregate));
        Ok((ReleasedBlock { index: block.index }, aggregate))
    }

    /// Signs the receipt once every block is out.
    pub(crate) fn finish(&mut self) -> Result<Signed<Receipt>, Refusal> {
        if let Some(receipt) = &self.receipt {
            return Ok(receipt.clone());
        }
        let leaves: Vec<_> = self.blocks.iter().filter_map(|block| block.leaf).collect();
        let missing = self.blocks.len().saturating_sub(leaves.len());
        if missing > 0 {
            return Err(Refusal::Unreleased {
                missing: u64::try_from(missing).unwrap_or(u64::MAX),
            });
        }
        let terms = self.params.terms();
        let receipt = self.signer.sign(Receipt {
            round_id: self.round_id,
            cohort_size: self.closed.cohort_size,
            cohort_root: self.close.cohort_root,
            total_weight: self.total_weight,
            aggregate: aggregate_root(&leaves),
            noise: terms.noise,
            excluded: self.close.excluded.clone(),
            previous_receipt: terms.previous_receipt,
        });
        Ok(self.receipt.insert(receipt).clone())
    }

    /// The parent has stored all: erase, by dropping this state.
    pub(crate) fn acknowledge(self: Box<Self>) -> Result<Ended, (Box<Self>, Refusal)> {
        match self.receipt {
            Some(receipt) => Ok(Ended::Released(Box::new(receipt))),
            None => {
                let missing = self
                    .blocks
                    .iter()
                    .filter(|block| block.leaf.is_none())
                    .count();
                let missing = u64::try_from(missing).unwrap_or(u64::MAX);
                Err((self, Refusal::Unreleased { missing }))
            }
        }
    }

    /// Ends the round with an abort receipt, but only while no block has gone out.
    pub(crate) fn abort(self: Box<Self>) -> Result<Signed<AbortReceipt>, Box<Self>> {
        if self.blocks.iter().any(|block| block.times > 0) {
            return Err(self);
        }
        let discarded = self.closed.cohort_size;
        Ok(self.signer.sign(AbortReceipt {
            round_id: self.round_id,
            discarded,
        }))
    }

    pub(crate) fn is_overdue(&self, now: u64) -> bool {
        now.saturating_sub(self.closed_at) > RELEASE_TIMEOUT_MS
    }

    /// With the receipt if that was signed; with an abort receipt, which frees the
    /// clients, if nothing has gone out; lost otherwise.
    pub(crate) fn into_overdue(self: Box<Self>) -> Ended {
        match self.receipt {
            Some(receipt) => Ended::Released(Box::new(receipt)),
            None => self.abort().map_or(Ended::Lost, Ended::Aborted),
        }
    }
}

/// How long a release may take from Close on: a summed model of 2^32 elements
/// crosses vsock at 0.24 GB/s in five minutes; this leaves room for a parent that
/// restarts in between.
pub const RELEASE_TIMEOUT_MS: u64 = 60 * 60 * 1000;
/// How often a block may be asked for: two lost replies are bad luck.
const TIMES_LIMIT: u8 = 3;
