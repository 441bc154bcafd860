//! Schedules as storage has them.

use sealsum_protocol::{SignedRoundParams, canonical};
use serde::{Deserialize, Serialize};

use super::{Closing, ClosingRule, Opens, ScheduledRound};

/// A scheduled round's record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredScheduled {
    sequence: u64,
    /// Canonical, in hexadecimal.
    params: String,
    opens: Opens,
    closing: ClosingRule,
    failed: Option<String>,
}

pub(super) fn encode(scheduled: &ScheduledRound) -> Vec<u8> {
    let stored = StoredScheduled {
        sequence: scheduled.sequence,
        params: hex::encode(canonical::encode(&scheduled.params)),
        opens: scheduled.opens,
        closing: scheduled.closing,
        failed: scheduled.failed.clone(),
    };
    serde_json::to_vec(&stored).unwrap_or_default()
}

pub(super) fn decode(record: &[u8]) -> Option<ScheduledRound> {
    let stored: StoredScheduled = serde_json::from_slice(record).ok()?;
    let params: SignedRoundParams = canonical::decode(&hex::decode(&stored.params).ok()?).ok()?;
    Some(ScheduledRound {
        sequence: stored.sequence,
        params,
        opens: stored.opens,
        closing: stored.closing,
        failed: stored.failed,
    })
}

/// How an open round closes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredClosing {
    rule: ClosingRule,
    closes_at: Option<u64>,
}

impl StoredClosing {
    pub(crate) fn encode(closing: &Closing) -> Vec<u8> {
        let stored = Self {
            rule: closing.rule,
            closes_at: closing.closes_at,
        };
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    pub(crate) fn decode(record: &[u8]) -> Option<Closing> {
        let stored: Self = serde_json::from_slice(record).ok()?;
        Some(Closing::new(stored.rule, stored.closes_at))
    }
}
