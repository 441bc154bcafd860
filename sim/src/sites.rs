//! Honest sites and the rule of their ledgers (I11, I12): what is spent, and what frees it.

use std::collections::BTreeMap;

use sealsum_protocol::{Digest, RoundTerms, TaskName};

use crate::world::RealRound;

/// What every site has sealed, by round.
#[derive(Default)]
pub(crate) struct Sites {
    spent: [BTreeMap<usize, Spent>; SITES],
}

struct Spent {
    /// Its place in the pool.
    stored: usize,
    task: TaskName,
    number: u64,
    base: Digest,
    refunded: bool,
}

impl Sites {
    /// Sealed for once, a round, its number and its base model are spent, until a proof.
    pub(crate) fn may_seal(&self, site: usize, round: usize, terms: &RoundTerms) -> bool {
        let spent = &self.spent[site];
        let counts = || spent.values().filter(|spent| !spent.refunded);
        let clashes = |spent: &Spent| {
            spent.task == terms.task
                && (spent.number == terms.round_number || spent.base == terms.base_model)
        };
        !spent.contains_key(&round) && counts().count() < BUDGET && !counts().any(clashes)
    }

    pub(crate) fn spend(&mut self, site: usize, round: usize, stored: usize, all: &[RealRound]) {
        let terms = all[round].terms();
        let spent = Spent {
            stored,
            task: terms.task.clone(),
            number: terms.round_number,
            base: terms.base_model,
            refunded: false,
        };
        self.spent[site].insert(round, spent);
    }

    /// The sealed bytes, which a refund erases.
    pub(crate) fn stored(&self, site: usize, round: usize) -> Option<usize> {
        let spent = self.spent[site].get(&round)?;
        (!spent.refunded).then_some(spent.stored)
    }

    pub(crate) fn refund(&mut self, site: usize, round: usize) {
        if let Some(spent) = self.spent[site].get_mut(&round) {
            spent.refunded = true;
        }
    }
}

/// Honest clients.
pub(crate) const SITES: usize = 8;
/// What a site's data set may spend.
const BUDGET: usize = 24;
