//! The promises about the whole history, whatever the model says of single steps.

use std::collections::{BTreeMap, BTreeSet};

use sealsum_protocol::receipt::Receipt;
use sealsum_protocol::{ClientId, Digest, FLOOR, Signed, TaskName};

use crate::world::Step;

/// What has left the enclaves so far.
#[derive(Default)]
pub(crate) struct Watch {
    /// Rounds of which a block is out, with their cohorts.
    sums: BTreeMap<usize, Sum>,
    receipts: BTreeMap<usize, Signed<Receipt>>,
    aborted: BTreeSet<usize>,
    next: [u8; 2],
}

struct Sum {
    of: (TaskName, Digest),
    cohort: BTreeMap<ClientId, Digest>,
}

impl Watch {
    /// The number and base model of the next round of a task, or earlier ones.
    pub(crate) fn number(&mut self, task: u8, number_back: u8, base_back: u8) -> (u64, u8) {
        let next = &mut self.next[usize::from(task % 2)];
        *next = next.saturating_add(1);
        let back = |back: u8| next.saturating_sub(back).max(1);
        (back(number_back).into(), back(base_back))
    }

    pub(crate) fn released(&self) -> u64 {
        self.receipts.len() as u64
    }

    /// A block of a round's sum is out.
    pub(crate) fn block(
        &mut self,
        round: usize,
        of: &(TaskName, Digest),
        members: &[(ClientId, Digest)],
        minimum: u32,
        honest: impl Fn(&ClientId) -> bool,
    ) -> Step {
        let cohort: BTreeMap<_, _> = members.iter().copied().collect();
        let floor = u64::from(minimum.max(FLOOR));
        if (cohort.len() as u64) < floor {
            return Err(format!(
                "I2: a sum of {} clients, {floor} at least",
                cohort.len()
            ));
        }
        if self.aborted.contains(&round) {
            return Err("I13: a block after the abort receipt".to_owned());
        }
        if let Some(sum) = self.sums.get(&round) {
            if sum.cohort != cohort {
                return Err("I3: a second sum of one round".to_owned());
            }
            return Ok(());
        }
        for other in self.sums.values() {
            let shared =
                |(client, digest): (&ClientId, &Digest)| other.cohort.get(client) == Some(digest);
            if cohort.iter().any(shared) {
                return Err("I4: one contribution in two sums".to_owned());
            }
            // Stronger than "never cohorts that differ by one": with honest ledgers no honest
            // client is in two sums over one base model at all.
            let both = |client: &&ClientId| other.cohort.contains_key(*client) && honest(client);
            if other.of == *of && cohort.keys().any(|client| both(&client)) {
                return Err("I11: an honest client in two sums over one base model".to_owned());
            }
        }
        let of = of.clone();
        self.sums.insert(round, Sum { of, cohort });
        Ok(())
    }

    /// A receipt is signed.
    pub(crate) fn receipt(&mut self, round: usize, receipt: &Signed<Receipt>) -> Step {
        if self.aborted.contains(&round) {
            return Err("I3: a receipt beside an abort receipt".to_owned());
        }
        let first = self
            .receipts
            .entry(round)
            .or_insert_with(|| receipt.clone());
        if first != receipt {
            return Err("I3: two receipts of one round".to_owned());
        }
        Ok(())
    }

    /// An abort receipt is signed.
    pub(crate) fn aborted(&mut self, round: usize) -> Step {
        if self.sums.contains_key(&round) {
            return Err("I13: an abort receipt though a block is out".to_owned());
        }
        self.aborted.insert(round);
        Ok(())
    }
}
