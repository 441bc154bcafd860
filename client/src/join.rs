//! Joining a round: decides that its enclave is appraised and its parameters are accepted (I1, I15).
//!
//! The parent's offer is a claim. Evidence has to answer a nonce that was drawn for this very
//! try of this request.

use sealsum_attestation::{AppraisedEnclave, ChainCache, Rejection, appraise_offer_with};
use sealsum_protocol::{ClientNonce, RoundId, TaskName, UnixMillis};

use crate::parent::{Parent, ParentError, Target};
use crate::policy::{AcceptedTerms, MockMismatch, RoundPolicy, TermRefused};
use crate::random;
use crate::update::BaseModel;

/// A round that was judged as a whole, as of one time.
pub(crate) struct Judged {
    pub(crate) enclave: AppraisedEnclave,
    pub(crate) terms: AcceptedTerms,
}

/// Asks for an offer with a fresh nonce, appraises it, and judges its parameters.
pub(crate) async fn join(
    parent: &Parent,
    policy: &RoundPolicy,
    target: &Target,
    base_model: &BaseModel,
    clock: impl Fn() -> UnixMillis,
    chains: &mut ChainCache,
) -> Result<Judged, JoinRefused> {
    let ask = || async {
        let nonce = ClientNonce::new(random::public());
        let offer = parent.offer(target, &nonce).await?;
        Ok((nonce, offer))
    };
    let (nonce, offer) = parent.patience().insist(ask).await?;
    let now = clock();
    let enclave = appraise_offer_with(&offer, policy.appraisal(), now, &nonce, chains)
        .map_err(|rejection| JoinRefused::Evidence(Box::new(rejection)))?;
    if let Target::Round(expected) = target
        && enclave.round_id() != *expected
    {
        return Err(JoinRefused::OtherRound {
            expected: *expected,
            found: enclave.round_id(),
        });
    }
    if let Target::Task(expected) = target
        && enclave.params().params.terms().task != *expected
    {
        return Err(JoinRefused::OtherTask {
            expected: expected.clone(),
            found: enclave.params().params.terms().task.clone(),
        });
    }
    let terms = policy.judge(&enclave, &base_model.digest(), now)?;
    Ok(Judged { enclave, terms })
}

/// Why a round was not joined. Nothing was recorded or sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinRefused {
    /// Caller and policy disagree about whether this is a mock.
    #[error(transparent)]
    Mock(#[from] MockMismatch),
    /// The parent gave no offer.
    #[error(transparent)]
    Parent(#[from] ParentError),
    /// The evidence is refused.
    #[error("the enclave's evidence is refused, and nothing was sent: {0}")]
    Evidence(Box<Rejection>),
    /// The parent offered another round than was asked for.
    #[error("round {expected} was asked for, the parent offers {found}; nothing was sent")]
    OtherRound {
        /// Asked for.
        expected: RoundId,
        /// Offered.
        found: RoundId,
    },
    /// The parent offered a round of another task than was asked for.
    #[error(
        "a round of task {expected} was asked for, the parent offers one of {found}; nothing was sent"
    )]
    OtherTask {
        /// Asked for.
        expected: TaskName,
        /// Offered.
        found: TaskName,
    },
    /// The parameters are refused.
    #[error("{0}; nothing was sent")]
    Term(#[from] TermRefused),
}
