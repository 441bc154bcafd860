//! Who works a round, where several parents share a store.

use sealsum_protocol::RoundId;

/// Who holds a round's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// This parent.
    Ours,
    /// Another one.
    Theirs(Whereabouts),
}

/// Where a parent is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// By clients: a URL without a path.
    pub clients: String,
    /// By the operator, likewise.
    pub operator: String,
}

/// A round whose holder let its lease run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The round.
    pub round_id: RoundId,
    /// How often it was taken over in a row without one renewal: a round that ends whoever
    /// works it is left alone after eight.
    pub attempts: i32,
}

/// Take-overs in a row.
pub(crate) const ATTEMPTS: i32 = 8;
