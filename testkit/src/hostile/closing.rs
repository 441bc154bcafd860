//! Closes that no honest parent sends. Each is the honest one with one thing changed.

use sealsum_protocol::messages::Close;
use sealsum_protocol::{ClientId, Digest};

use crate::ScriptedParent;

impl ScriptedParent {
    /// The same round as seen by a parent that never had this client's contribution.
    #[must_use]
    pub fn without(&self, client: &ClientId) -> Self {
        let others = self
            .accepted
            .iter()
            .filter(|contribution| contribution.header.client != *client);
        Self {
            binding: self.binding.clone(),
            accepted: others.cloned().collect(),
        }
    }

    /// A close that leaves clients out and names them as lost.
    #[must_use]
    pub fn close_excluding(&self, clients: &[ClientId]) -> Close {
        let mut rest = Self {
            binding: self.binding.clone(),
            accepted: self.accepted.clone(),
        };
        for client in clients {
            rest = rest.without(client);
        }
        let mut excluded = clients.to_vec();
        excluded.sort_unstable();
        Close {
            excluded,
            ..rest.honest_close()
        }
    }

    /// A close with a cohort that never was.
    #[must_use]
    pub fn close_with_invented_cohort(&self) -> Close {
        Close {
            cohort_root: Digest::new([1; 32]),
            ..self.honest_close()
        }
    }

    /// A close over a sum that never was, whatever the intake.
    #[must_use]
    pub fn close_with_invented_sum(&self) -> Close {
        Close {
            sum_root: Some(Digest::new([1; 32])),
            ..self.honest_close()
        }
    }
}
