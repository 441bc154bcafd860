//! The memory that rounds may take (I8): reserved in full when a round opens, so
//! that nothing the parent sends later can exceed it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealsum_protocol::registry::UPPER_NODES_BYTES;
use sealsum_protocol::{Admission, Intake, Refusal, RoundParams};

/// Memory for all rounds together, in bytes, of the production image: it leaves
/// the rest of a 1 GiB enclave to kernel, initramfs and connections.
pub const MEMORY_CEILING: u64 = 512 * 1024 * 1024;

/// The ceiling and what is taken of it.
pub(crate) struct MemoryBudget {
    ceiling: u64,
    reserved: Arc<AtomicU64>,
}

/// A round's share; given back on drop.
pub(crate) struct Reservation {
    bytes: u64,
    reserved: Arc<AtomicU64>,
}

impl MemoryBudget {
    pub(crate) fn new(ceiling: u64) -> Self {
        Self {
            ceiling,
            reserved: Arc::default(),
        }
    }

    pub(crate) const fn ceiling(&self) -> u64 {
        self.ceiling
    }

    pub(crate) fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Reserves what a round under `params` can need at most.
    pub(crate) fn reserve(&self, params: &RoundParams) -> Result<Reservation, Refusal> {
        let bytes = needed(params);
        let available = self.ceiling.saturating_sub(self.reserved());
        if bytes > available {
            return Err(Refusal::Memory {
                needed: bytes,
                available,
            });
        }
        self.reserved.fetch_add(bytes, Ordering::Relaxed);
        Ok(Reservation {
            bytes,
            reserved: Arc::clone(&self.reserved),
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The most that a round under `params` can hold, in bytes.
pub(crate) fn needed(params: &RoundParams) -> u64 {
    let terms = params.terms();
    let layout = params.layout();
    let vector = terms.dimension.saturating_mul(terms.ring_bits.lane_bytes());
    let vectors = match terms.intake {
        // The sum, and one contribution being staged.
        Intake::Stream => vector.saturating_mul(2),
        Intake::Presum => 0,
    };
    let upper_nodes = match terms.admission {
        Admission::Registry { .. } => UPPER_NODES_BYTES,
        Admission::Open => 0,
    };
    let clients = u64::from(terms.max_cohort)
        .saturating_add(BURNED_LIMIT)
        .saturating_mul(BYTES_PER_CLIENT);
    vectors
        .saturating_add(clients)
        .saturating_add(layout.blocks().saturating_mul(BYTES_PER_BLOCK))
        .saturating_add(upper_nodes)
        .saturating_add(BYTES_PER_ROUND)
}

/// How many ids a round remembers as burned; past that it takes no one new.
pub(crate) const BURNED_LIMIT: u64 = 4096;
/// Id, contribution digest, seed, weight, key digest, the maps around them, and the tree
/// over them at Close: 377 were measured.
const BYTES_PER_CLIENT: u64 = 512;
/// Leaf hashes (staged, released), a counter, and the trees over them.
const BYTES_PER_BLOCK: u64 = 192;
/// Binding, keys, one block being worked on in three forms.
const BYTES_PER_ROUND: u64 = 512 * 1024;
