//! What the enclave signs: that it took a contribution, what it released, that it let nothing out.

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::ids::{ClientId, Digest, RoundId};
use crate::label::{self, Label};
use crate::params::Noise;
use crate::signature::{Signed, Statement};

/// The enclave holds this contribution. Whether it ends up in the sum, the receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The round.
    pub round_id: RoundId,
    /// Whose contribution.
    pub client: ClientId,
    /// Its digest, [`crate::ContributionHeader::digest`].
    pub contribution: Digest,
}

/// The round's one release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The round.
    pub round_id: RoundId,
    /// Distinct clients in the sum.
    pub cohort_size: u32,
    /// Root over them and their contributions.
    pub cohort_root: Digest,
    /// Sum of the weights; the cohort's size unless the rule is a weighted mean.
    pub total_weight: u64,
    /// Root over the aggregate's packed blocks under [`label::AGGREGATE_TREE`].
    pub aggregate: Digest,
    /// Noise in the aggregate.
    pub noise: Noise,
    /// Accepted, then left out because their stored body was lost; sorted.
    pub excluded: Vec<ClientId>,
    /// The task's previous receipt, as the parameters had it.
    pub previous_receipt: Option<Digest>,
}

/// Nothing of this round left the enclave, and its keys are erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortReceipt {
    /// The round.
    pub round_id: RoundId,
    /// Contributions that were erased with it.
    pub discarded: u32,
}

impl Statement for Acceptance {
    const LABEL: Label = label::ACCEPTANCE;

    fn round_id(&self) -> RoundId {
        self.round_id
    }
}

impl Statement for Receipt {
    const LABEL: Label = label::RECEIPT;

    fn round_id(&self) -> RoundId {
        self.round_id
    }
}

impl Statement for AbortReceipt {
    const LABEL: Label = label::ABORT_RECEIPT;

    fn round_id(&self) -> RoundId {
        self.round_id
    }
}

/// The digest of a signed receipt, for the next round's `previous_receipt`.
#[must_use]
pub fn receipt_digest(receipt: &Signed<Receipt>) -> Digest {
    label::RECEIPT_DIGEST.digest(&[&canonical::encode(receipt)])
}
