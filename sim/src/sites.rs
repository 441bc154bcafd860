//! The reference model of the honest sites: what their policies accept, and the rule of their
//! ledgers (I11, I12, I15): what is spent, and what frees it. No storage, no cryptography.

use std::collections::BTreeMap;

use sealsum_protocol::{Digest, TaskName};

/// What every site has sealed, by round, and the highest epoch that it sealed under.
#[derive(Default)]
pub(crate) struct Sites {
    spent: [BTreeMap<usize, Spent>; SITES],
    epochs: [u64; SITES],
}

/// One contribution.
#[derive(Clone)]
pub(crate) struct Spent {
    /// Its place in the pool.
    pub(crate) stored: usize,
    task: TaskName,
    number: u64,
    base: Digest,
    pub(crate) state: State,
    /// Whether the enclave's yes is in the ledger.
    pub(crate) accepted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Summed,
    Refunded,
}

/// What decides about a round, for one site.
pub(crate) struct Offered {
    pub(crate) task: TaskName,
    pub(crate) number: u64,
    pub(crate) base: Digest,
    pub(crate) collects: bool,
    pub(crate) honest_operator: bool,
    /// Whether the task's policy wants the round's kind of admission.
    pub(crate) wanted_admission: bool,
    /// Epoch, whether the grant still holds, and whether the site is in the registry.
    pub(crate) registry: Option<(u64, bool, bool)>,
}

/// Why a site does not seal, or has no acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    NoOffer,
    Operator,
    Admission,
    GrantExpired,
    OldEpoch,
    Budget,
    Spent,
    NoPlace,
    Refunded,
    Undelivered,
    Acceptance,
    OtherUpdate,
}

/// What became of a request for a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refund {
    Freed,
    Unknown,
    Refunded,
    InTheSum,
    ProvesNothing,
}

impl Sites {
    /// Whether a site that has nothing of this round seals for it. Sealed for once, a task's
    /// number and base model are spent, until a proof.
    pub(crate) fn may_seal(&self, site: usize, offered: &Offered) -> Result<(), Why> {
        let refuse = |holds: bool, why: Why| if holds { Ok(()) } else { Err(why) };
        refuse(offered.collects, Why::NoOffer)?;
        refuse(offered.honest_operator, Why::Operator)?;
        refuse(offered.wanted_admission, Why::Admission)?;
        if let Some((epoch, holds, _)) = offered.registry {
            refuse(holds, Why::GrantExpired)?;
            refuse(epoch >= self.epochs[site], Why::OldEpoch)?;
        }
        let counts = || {
            let spent = self.spent[site].values();
            spent.filter(|spent| spent.state != State::Refunded)
        };
        refuse(counts().count() < BUDGET as usize, Why::Budget)?;
        let clashes = |spent: &Spent| {
            spent.task == offered.task
                && (spent.number == offered.number || spent.base == offered.base)
        };
        refuse(!counts().any(clashes), Why::Spent)?;
        let in_registry = offered.registry.is_none_or(|(_, _, is_in)| is_in);
        refuse(in_registry, Why::NoPlace)
    }

    pub(crate) fn spend(&mut self, site: usize, round: usize, stored: usize, offered: &Offered) {
        let spent = Spent {
            stored,
            task: offered.task.clone(),
            number: offered.number,
            base: offered.base,
            state: State::Open,
            accepted: false,
        };
        self.spent[site].insert(round, spent);
        if let Some((epoch, ..)) = offered.registry {
            self.epochs[site] = self.epochs[site].max(epoch);
        }
    }

    pub(crate) fn spent(&self, site: usize, round: usize) -> Option<&Spent> {
        self.spent[site].get(&round)
    }

    pub(crate) fn spent_mut(&mut self, site: usize, round: usize) -> Option<&mut Spent> {
        self.spent[site].get_mut(&round)
    }

    /// The sealed bytes, which a refund and an acceptance erase.
    pub(crate) fn stored(&self, site: usize, round: usize) -> Option<usize> {
        let spent = self.spent(site, round)?;
        (spent.state == State::Open).then_some(spent.stored)
    }

    /// A proof is shown: whether it is good, and whether it shows this site in the sum.
    pub(crate) fn refund(
        &mut self,
        site: usize,
        round: usize,
        good: bool,
        shows_in: bool,
    ) -> Refund {
        let Some(spent) = self.spent[site].get_mut(&round) else {
            return Refund::Unknown;
        };
        match spent.state {
            State::Refunded => Refund::Refunded,
            State::Summed => Refund::InTheSum,
            State::Open if !good => Refund::ProvesNothing,
            // A proof against the site is one too: it knows now that it is in.
            State::Open if shows_in => {
                spent.state = State::Summed;
                Refund::InTheSum
            }
            State::Open => {
                spent.state = State::Refunded;
                Refund::Freed
            }
        }
    }
}

/// Honest clients.
pub(crate) const SITES: usize = 8;
/// What a site's data set may spend.
pub(crate) const BUDGET: u32 = 24;
