//! Sealing: decides that an update may become a contribution (I1, I11, I15).
//!
//! By type it takes an appraised enclave, terms that the policy accepted and a reservation in the
//! ledger. Here it only has to be seen that the three are about one round, and that the evidence is
//! still fresh: sealing is the moment that counts. In a registry round the credential is made here,
//! and checked before anything can be spent.

use sealsum_attestation::AppraisedEnclave;
use sealsum_protocol::{Encoding, Number, RoundBinding, RoundId, SealError, Sealed, UnixMillis};

use crate::ledger::{Debit, LedgerError, SpentContribution};
use crate::member::{CredentialRefused, Member, credentials};
use crate::policy::AcceptedTerms;
use crate::random;

/// A sealed contribution that is not spent yet: it can only be committed or dropped.
///
/// It has no way to the network. That takes what the commit returns:
///
/// ```compile_fail
/// async fn send(parent: &sealsum_client::Parent, sealed: sealsum_client::SealedContribution<'_>) {
///     let _ = parent.contribute(&sealed, |_, _| {}).await;
/// }
/// ```
///
/// ```
/// async fn send(parent: &sealsum_client::Parent, spent: sealsum_client::SpentContribution) {
///     let _ = parent.contribute(&spent, |_, _| {}).await;
/// }
/// ```
#[must_use]
pub struct SealedContribution<'ledger> {
    debit: Debit<'ledger>,
    binding: RoundBinding,
    sealed: Sealed,
    now: UnixMillis,
}

/// Encodes, masks and seals an update under the enclave's key.
///
/// Archived evidence is no enclave to seal for, and no update is sealed without a reservation:
///
/// ```compile_fail
/// use sealsum_client::{AcceptedTerms, Debit, Member, seal};
///
/// fn archived(
///     evidence: &sealsum_attestation::ArchivedEvidence,
///     terms: &AcceptedTerms,
///     debit: Debit<'_>,
///     update: sealsum_protocol::Encoding<'_>,
///     member: Option<&Member>,
///     now: sealsum_protocol::UnixMillis,
/// ) {
///     let _ = seal(evidence, terms, debit, update, member, now);
/// }
/// ```
///
/// ```
/// use sealsum_client::{AcceptedTerms, Debit, Member, seal};
///
/// fn fresh(
///     enclave: &sealsum_attestation::AppraisedEnclave,
///     terms: &AcceptedTerms,
///     debit: Debit<'_>,
///     update: sealsum_protocol::Encoding<'_>,
///     member: Option<&Member>,
///     now: sealsum_protocol::UnixMillis,
/// ) {
///     let _ = seal(enclave, terms, debit, update, member, now);
/// }
/// ```
///
/// # Errors
/// [`SealRefused`]; the reservation is gone, and nothing was recorded.
pub fn seal<'ledger, V: Number>(
    enclave: &AppraisedEnclave,
    terms: &AcceptedTerms,
    debit: Debit<'ledger>,
    update: Encoding<'_, V>,
    member: Option<&Member>,
    now: UnixMillis,
) -> Result<SealedContribution<'ledger>, SealRefused> {
    let round_id = enclave.round_id();
    for other in [terms.round_id(), debit.round_id()] {
        if other != round_id {
            return Err(SealRefused::OtherRound { round_id, other });
        }
    }
    if !enclave.is_fresh(now, terms.clock_skew()) {
        return Err(SealRefused::Stale {
            signed_at: enclave.evidence_time(),
            now,
        });
    }
    if let Some(grant) = terms.grant()
        && grant.not_after < now
    {
        return Err(SealRefused::GrantExpired {
            not_after: grant.not_after,
            now,
        });
    }
    let member = credentials(terms.params().terms(), member)?;
    let encapsulation = enclave.encapsulate(&debit.client(), &mut random::system())?;
    let mut sealed = sealsum_protocol::seal(encapsulation, update)?;
    if let Some(member) = member {
        sealed.header = member.sign(sealed.header)?;
    }
    Ok(SealedContribution {
        debit,
        binding: enclave.binding().clone(),
        sealed,
        now,
    })
}

impl SealedContribution<'_> {
    /// Stores the masked update, then commits record and debit in one transaction.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing is sent, and what was stored without a record is removed
    /// when the ledger is opened next.
    pub fn commit(self) -> Result<SpentContribution, LedgerError> {
        self.debit.commit(&self.binding, self.sealed, self.now)
    }
}

/// Why an update was not sealed. Nothing was recorded or sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealRefused {
    /// Enclave, terms and reservation are not about one round.
    #[error(
        "the enclave was appraised for round {round_id}, but terms or reservation are for {other}"
    )]
    OtherRound {
        /// The enclave's.
        round_id: RoundId,
        /// The other.
        other: RoundId,
    },
    /// The evidence grew too old since its appraisal.
    #[error(
        "the evidence, signed at {signed_at}, is no longer fresh at {now}; join the round again"
    )]
    Stale {
        /// When it was signed.
        signed_at: UnixMillis,
        /// This site's time.
        now: UnixMillis,
    },
    /// The authority's word for the registry ran out since it was judged.
    #[error("the authority's grant for the registry ended at {not_after}, now it is {now}")]
    GrantExpired {
        /// Its end.
        not_after: UnixMillis,
        /// This site's time.
        now: UnixMillis,
    },
    /// A registry round, and no sound credential for it.
    #[error(transparent)]
    Credential(#[from] CredentialRefused),
    /// The key in the binding.
    #[error(transparent)]
    Seal(#[from] SealError),
}

#[cfg(test)]
mod tests;
