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
    /// `SignedRoundParams` of a round that the enclave is being asked for, under the opening's
    /// id: no round has this one.
    Opening,
}

impl Record {
    /// The kind's name, and the client's id if the kind has one a client.
    pub(crate) const fn key(&self) -> (&'static str, &[u8]) {
        match self {
            Self::State => (STATE, &[]),
            Self::Evidence => (EVIDENCE, &[]),
            Self::Acceptance(client) => (ACCEPTANCE, client.as_bytes()),
            Self::Closing => (CLOSING, &[]),
            Self::Receipt => (RECEIPT, &[]),
            Self::AbortReceipt => (ABORT_RECEIPT, &[]),
            Self::ClosingRule => (CLOSING_RULE, &[]),
            Self::Scheduled => (SCHEDULED, &[]),
            Self::Opening => (OPENING, &[]),
        }
    }

    /// Every kind's name: keys begin with the kind, and a round's records are found by all of them.
    pub(crate) const KINDS: [&'static str; 9] = [
        STATE,
        EVIDENCE,
        ACCEPTANCE,
        CLOSING,
        RECEIPT,
        ABORT_RECEIPT,
        CLOSING_RULE,
        SCHEDULED,
        OPENING,
    ];
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
            Self::MaskedSum => (MASKED_SUM, Vec::new()),
            Self::Aggregate => (AGGREGATE, Vec::new()),
            Self::AggregatePart(first) => (AGGREGATE_PART, first.to_be_bytes().to_vec()),
        }
    }

    /// As [`Record::KINDS`].
    pub(crate) const KINDS: [&'static str; 4] = [UPLOAD, MASKED_SUM, AGGREGATE, AGGREGATE_PART];
}

/// [`Blob::Upload`]'s kind.
pub(crate) const UPLOAD: &str = "upload";
/// [`Record::State`]'s kind: a round is there once it has one.
pub(crate) const STATE: &str = "state";
/// [`Record::Acceptance`]'s kind.
pub(crate) const ACCEPTANCE: &str = "acceptance";
const EVIDENCE: &str = "evidence";
const CLOSING: &str = "closing";
const RECEIPT: &str = "receipt";
const ABORT_RECEIPT: &str = "abort_receipt";
const CLOSING_RULE: &str = "closing_rule";
const SCHEDULED: &str = "scheduled";
const OPENING: &str = "opening";
const MASKED_SUM: &str = "masked_sum";
const AGGREGATE: &str = "aggregate";
const AGGREGATE_PART: &str = "aggregate_part";
