//! Sealing: decides that an update may become a contribution (I1, I11, I15).
//!
//! By type it takes an appraised enclave, terms that the policy accepted and a reservation in the
//! ledger. Here it only has to be seen that the three are about one round, and that the evidence is
//! still fresh: sealing is the moment that counts.

use sealsum_attestation::AppraisedEnclave;
use sealsum_protocol::{
    Admission, ContributionHeader, EncodedUpdate, MaskedUpdate, RoundBinding, RoundId, SealError,
    UnixMillis,
};

use crate::ledger::{Debit, LedgerError, SpentContribution};
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
    sealed: (ContributionHeader, MaskedUpdate),
    clamped: u64,
    now: UnixMillis,
}

/// Masks and seals an update under the enclave's key.
///
/// Archived evidence is no enclave to seal for, and no update is sealed without a reservation:
///
/// ```compile_fail
/// use sealsum_client::{AcceptedTerms, Debit, seal};
///
/// fn archived(
///     evidence: &sealsum_attestation::ArchivedEvidence,
///     terms: &AcceptedTerms,
///     debit: Debit<'_>,
///     update: sealsum_protocol::EncodedUpdate,
///     now: sealsum_protocol::UnixMillis,
/// ) {
///     let _ = seal(evidence, terms, debit, update, now);
/// }
/// ```
///
/// ```
/// use sealsum_client::{AcceptedTerms, Debit, seal};
///
/// fn fresh(
///     enclave: &sealsum_attestation::AppraisedEnclave,
///     terms: &AcceptedTerms,
///     debit: Debit<'_>,
///     update: sealsum_protocol::EncodedUpdate,
///     now: sealsum_protocol::UnixMillis,
/// ) {
///     let _ = seal(enclave, terms, debit, update, now);
/// }
/// ```
///
/// # Errors
/// [`SealRefused`]; the reservation is gone, and nothing was recorded.
pub fn seal<'ledger>(
    enclave: &AppraisedEnclave,
    terms: &AcceptedTerms,
    debit: Debit<'ledger>,
    update: EncodedUpdate,
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
    if terms.params().terms().admission != Admission::Open {
        return Err(SealRefused::NoCredential);
    }
    let clamped = update.clamped();
    let encapsulation = enclave.encapsulate(&debit.client(), &mut random::system())?;
    Ok(SealedContribution {
        debit,
        binding: enclave.binding().clone(),
        sealed: sealsum_protocol::seal(encapsulation, update)?,
        clamped,
        now,
    })
}

impl SealedContribution<'_> {
    /// Commits record, debit and sealed bytes in one transaction.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing is spent and the sealed bytes are gone.
    pub fn commit(self) -> Result<SpentContribution, LedgerError> {
        self.debit
            .commit(&self.binding, self.sealed, self.clamped, self.now)
    }
}

/// Why an update was not sealed. Nothing was recorded or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// Registry admission, for which this version makes no credential.
    #[error(
        "the round admits a registry's keys only, and this version makes no credential for one: the contribution would be spent for nothing"
    )]
    NoCredential,
    /// The key in the binding.
    #[error(transparent)]
    Seal(#[from] SealError),
}

#[cfg(test)]
mod tests {
    use sealsum_attestation::Trust;
    use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
    use sealsum_protocol::{Digest, RoundTerms};

    use super::*;
    use crate::policy::AdmissionTerm;
    use crate::testing::{NOW, Nsm, Round, base_model, identity};
    use crate::{Ledger, RoundPolicyFile};

    fn refusal(
        terms: impl FnOnce(&mut RoundTerms),
        policy: impl FnOnce(&mut RoundPolicyFile),
        enclave: Option<u8>,
        now: UnixMillis,
    ) -> Option<SealRefused> {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(&identity(folder.path()), Trust::Mock).unwrap();
        let nsm = Nsm::boot();
        let round = Round::with(1, terms);
        let policy = nsm.policy_with(policy);
        let appraised = nsm.appraise(&round);
        let terms = policy.judge(&appraised, &base_model().digest()).unwrap();
        let seed = RoundingSeed::new([5; 32]);
        let update = EncodedUpdate::encode(terms.params(), &[1.5; 10], 1, OutOfRange::Clamp, &seed);
        let debit = ledger.reserve(&terms, &policy).unwrap();
        let appraised = enclave.map_or(appraised, |other| nsm.appraise(&Round::new(other)));
        seal(&appraised, &terms, debit, update.unwrap(), now).err()
    }

    #[test]
    fn evidence_is_fresh_at_the_moment_of_sealing_or_nothing_is_sealed() {
        let at = |now| refusal(|_| {}, |_| {}, None, now);
        assert_eq!(at(NOW.plus(300_000)), None);
        assert!(matches!(
            at(NOW.plus(300_001)),
            Some(SealRefused::Stale { .. })
        ));
        // A clock that went back beyond the skew says nothing about freshness either.
        let before = UnixMillis(NOW.0 - 10_001);
        assert!(matches!(at(before), Some(SealRefused::Stale { .. })));
    }

    #[test]
    fn terms_that_were_accepted_for_one_enclave_do_not_seal_for_another() {
        let refused = refusal(|_| {}, |_| {}, Some(2), NOW);
        assert!(matches!(refused, Some(SealRefused::OtherRound { .. })));
    }

    #[test]
    fn a_registry_round_is_not_spent_for_nothing() {
        let root = Digest::new([7; 32]);
        let refused = refusal(
            |terms| {
                terms.admission = Admission::Registry {
                    root,
                    size: 9,
                    grant: None,
                }
            },
            |policy| policy.admission = AdmissionTerm::Registry(root),
            None,
            NOW,
        );
        assert_eq!(refused, Some(SealRefused::NoCredential));
    }
}
