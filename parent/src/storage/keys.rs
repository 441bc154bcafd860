//! What is kept, by name. Databases keep these names, so they never change.

use sealsum_protocol::ClientId;

/// Small values, replaced whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// What the parent knows of the round: its phase, its place in the list.
    State,
    /// Binding and one evidence document: `RoundEvidence`.
    Evidence,
    /// The enclave's yes to one client: `Signed<Acceptance>`.
    Acceptance(ClientId),
    /// What the round is being closed with: `messages::Close`.
    Closing,
    /// `Signed<Receipt>`.
    Receipt,
    /// `Signed<AbortReceipt>`.
    AbortReceipt,
    /// When the round closes by itself.
    ClosingRule,
    /// A round that is to open, under its id in the schedule: no round has this one.
    Scheduled,
}

impl Record {
    /// The kind's name, and the client's id if the kind has one a client.
    pub(crate) const fn key(&self) -> (&'static str, &[u8]) {
        match self {
            Self::State => (STATE, &[]),
            Self::Evidence => ("evidence", &[]),
            Self::Acceptance(client) => (ACCEPTANCE, client.as_bytes()),
            Self::Closing => ("closing", &[]),
            Self::Receipt => ("receipt", &[]),
            Self::AbortReceipt => ("abort_receipt", &[]),
            Self::ClosingRule => ("closing_rule", &[]),
            Self::Scheduled => ("scheduled", &[]),
        }
    }
}

/// Large values, written once from front to back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blob {
    /// One client's upload as it came: header's length, header, masked update.
    Upload(ClientId),
    /// The sum of masked updates: packed blocks.
    MaskedSum,
    /// The aggregate: packed blocks.
    Aggregate,
    /// Packed blocks of an aggregate that is not whole yet, from this block on.
    AggregatePart(u64),
}

impl Blob {
    /// The kind's name, and which one of the kind.
    pub(crate) fn key(&self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Upload(client) => (UPLOAD, client.as_bytes().to_vec()),
            Self::MaskedSum => ("masked_sum", Vec::new()),
            Self::Aggregate => ("aggregate", Vec::new()),
            Self::AggregatePart(first) => ("aggregate_part", first.to_be_bytes().to_vec()),
        }
    }
}

/// [`Blob::Upload`]'s kind.
pub(crate) const UPLOAD: &str = "upload";
/// [`Record::State`]'s kind: a round is there once it has one.
pub(crate) const STATE: &str = "state";
/// [`Record::Acceptance`]'s kind.
pub(crate) const ACCEPTANCE: &str = "acceptance";
