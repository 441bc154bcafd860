//! Contributions that are somebody else's, or that share what has to be one's own.

use sealsum_protocol::RoundId;

use crate::{Contribution, client_id};

impl Contribution {
    /// The same under the id of client number `n`.
    #[must_use]
    pub fn copied_by(&self, n: u64) -> Self {
        let mut copy = self.clone();
        copy.header.client = client_id(n);
        copy
    }

    /// The same for another round.
    #[must_use]
    pub fn moved_to(&self, round_id: RoundId) -> Self {
        let mut copy = self.clone();
        copy.header.round_id = round_id;
        copy
    }

    /// This one with another's encapsulated key.
    #[must_use]
    pub fn with_key_of(&self, other: &Self) -> Self {
        let mut copy = self.clone();
        copy.header.encapsulated_key = other.header.encapsulated_key.clone();
        copy
    }
}
