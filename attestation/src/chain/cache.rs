//! Upper chains that were verified before: decides which signatures need not be verified again.
//!
//! A caller that judges many documents of one machine holds it; nothing is kept elsewhere. It
//! remembers only that every signature down to the leaf's issuer was right under one root: names,
//! roles, keyUsage and the validity at the time of judgement are checked on every use, and the leaf's
//! own signature is verified every time (checklist 4).

use sha2::{Digest as _, Sha256};

use crate::root::PinnedRoot;

/// What was verified: at most [`Self::CAPACITY`] chains, the oldest forgotten first.
#[derive(Debug, Default)]
pub struct ChainCache {
    verified: Vec<[u8; 32]>,
}

impl ChainCache {
    /// How many upper chains it remembers: the zonal one changes at least once in 20 days, the
    /// instance's once a day, so this is many machines' worth.
    pub const CAPACITY: usize = 64;

    /// A cache that remembers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn knows(&self, chain: &[u8; 32]) -> bool {
        self.verified.contains(chain)
    }

    pub(super) fn remember(&mut self, chain: [u8; 32]) {
        if self.knows(&chain) {
            return;
        }
        if self.verified.len() >= Self::CAPACITY {
            self.verified.remove(0);
        }
        self.verified.push(chain);
    }
}

/// SHA-256 over the root's fingerprint and each certificate, with its length in front.
pub(super) fn digest(root: &PinnedRoot, intermediates: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(root.fingerprint().as_bytes());
    for der in intermediates {
        hash.update(u64::try_from(der.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(der);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_chain_is_forgotten_first_and_none_is_kept_twice() {
        let mut cache = ChainCache::new();
        let chain = |number: usize| [u8::try_from(number).unwrap(); 32];
        for number in 0..ChainCache::CAPACITY {
            cache.remember(chain(number));
            cache.remember(chain(number));
        }
        assert!(cache.knows(&chain(0)));
        cache.remember(chain(ChainCache::CAPACITY));
        assert!(!cache.knows(&chain(0)));
        assert!(cache.knows(&chain(1)));
        assert_eq!(cache.verified.len(), ChainCache::CAPACITY);
    }

    #[test]
    fn certificates_joined_differently_are_another_chain() {
        let root = PinnedRoot::aws_nitro();
        let split = digest(&root, &[vec![1, 2], vec![3]]);
        assert_ne!(split, digest(&root, &[vec![1], vec![2, 3]]));
        assert_ne!(split, digest(&root, &[vec![1, 2, 3]]));
    }
}
