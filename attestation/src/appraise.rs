//! Appraisal: decides whether an enclave may be sealed for, now (checklist 6 to 9; I1, I5).
//!
//! It trusts the policy, the caller's clock and the caller's own nonce. The one type that can
//! encapsulate to an enclave's key comes from here and from nowhere else.

use core::time::Duration;

use sealsum_protocol::{
    ClientId, ClientNonce, CryptoRng, Encapsulation, NoncePath, ReceiptKey, RoundBinding, RoundId,
    RoundOffer, SealError, SignedRoundParams, UnixMillis,
};

use crate::authenticate::AuthenticDocument;
use crate::bound_round::bound_round;
use crate::chain::ChainCache;
use crate::document::UnverifiedDocument;
use crate::fresh;
use crate::image::accepted_image;
use crate::policy::AppraisalPolicy;
use crate::rejection::Rejection;
use crate::trust::Trust;

/// An enclave that the policy accepts, for one round, as of one time.
///
/// It can't be made up, only earned by appraisal:
///
/// ```compile_fail
/// fn forge(binding: sealsum_protocol::RoundBinding) -> sealsum_attestation::AppraisedEnclave {
///     sealsum_attestation::AppraisedEnclave { binding }
/// }
/// ```
///
/// ```
/// use sealsum_attestation::{AppraisalPolicy, AppraisedEnclave, Rejection, appraise_offer};
/// use sealsum_protocol::{ClientNonce, RoundOffer, UnixMillis};
///
/// fn earn(
///     offer: &RoundOffer,
///     policy: &AppraisalPolicy,
///     now: UnixMillis,
///     nonce: &ClientNonce,
/// ) -> Result<AppraisedEnclave, Rejection> {
///     appraise_offer(offer, policy, now, nonce)
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct AppraisedEnclave {
    binding: RoundBinding,
    round_id: RoundId,
    trust: Trust,
    debug: bool,
    measurement_label: String,
    evidence_time: UnixMillis,
    expires_at: UnixMillis,
}

impl AuthenticDocument {
    /// Appraises an authentic document as fresh evidence for `binding`.
    ///
    /// `now` and `policy` are those of [`UnverifiedDocument::authenticate`]; others are refused.
    /// `path` leads from the client's own `nonce` to the document's.
    ///
    /// # Errors
    /// The first point of checklist 6 to 9 that does not hold.
    pub fn appraise(
        self,
        policy: &AppraisalPolicy,
        now: UnixMillis,
        nonce: &ClientNonce,
        path: &NoncePath,
        binding: RoundBinding,
    ) -> Result<AppraisedEnclave, Rejection> {
        // 4, 8: certificates were valid at now, and not only at some other time.
        if self.authenticated_at() != now {
            return Err(Rejection::AnotherTime {
                authenticated_at: self.authenticated_at(),
                now,
            });
        }
        self.require_root_of(policy)?;
        // 6, 7.
        let image = accepted_image(&self, policy, now)?;
        // 8.
        let document = self.document();
        fresh::answers(document, nonce, path)?;
        let max_age_ms = millis(policy.max_age());
        let signed_at = document.timestamp();
        fresh::is_timely(signed_at, now, max_age_ms, millis(policy.clock_skew()))?;
        // 9.
        let round_id = bound_round(&self, &binding)?;
        let fresh_until = signed_at.plus(max_age_ms);
        Ok(AppraisedEnclave {
            binding,
            round_id,
            trust: policy.trust(),
            debug: document.measurement().is_debug(),
            measurement_label: image.label().to_owned(),
            evidence_time: signed_at,
            // 7, 8: what is sealed for must be endorsed then, too.
            expires_at: image
                .not_after()
                .map_or(fresh_until, |end| end.min(fresh_until)),
        })
    }

    /// 4: the chain was verified up to this policy's root.
    pub(crate) fn require_root_of(&self, policy: &AppraisalPolicy) -> Result<(), Rejection> {
        let pinned = policy.root().fingerprint();
        if self.root() == pinned {
            Ok(())
        } else {
            Err(Rejection::AnotherRoot {
                authenticated: self.root(),
                pinned,
            })
        }
    }
}

/// Parses, authenticates and appraises an offer's evidence, all at `now`.
///
/// # Errors
/// The first point of the checklist that does not hold.
pub fn appraise_offer(
    offer: &RoundOffer,
    policy: &AppraisalPolicy,
    now: UnixMillis,
    nonce: &ClientNonce,
) -> Result<AppraisedEnclave, Rejection> {
    appraise_offer_with(offer, policy, now, nonce, &mut ChainCache::new())
}

/// As [`appraise_offer`], for a caller that judges many offers of few machines: the signatures of the
/// certificates above the leaf are verified once, and everything else each time.
///
/// # Errors
/// As [`appraise_offer`].
pub fn appraise_offer_with(
    offer: &RoundOffer,
    policy: &AppraisalPolicy,
    now: UnixMillis,
    nonce: &ClientNonce,
    chains: &mut ChainCache,
) -> Result<AppraisedEnclave, Rejection> {
    let document = UnverifiedDocument::parse(&offer.evidence)?;
    let now = fresh::reading(now, document.timestamp(), millis(policy.clock_skew()));
    document.authenticate_with(policy, now, chains)?.appraise(
        policy,
        now,
        nonce,
        &offer.nonce_path,
        offer.binding.clone(),
    )
}

impl AppraisedEnclave {
    /// Encapsulates a fresh secret to the enclave's key: the only way to use it (I1).
    ///
    /// The evidence may have aged since its appraisal; see [`Self::is_fresh`].
    ///
    /// # Errors
    /// What the KEM says of the key.
    pub fn encapsulate<R: CryptoRng>(
        &self,
        client: &ClientId,
        rng: &mut R,
    ) -> Result<Encapsulation, SealError> {
        Encapsulation::to(&self.binding, client, rng)
    }

    /// What the evidence vouches for: parameters, KEM key, receipt key.
    #[must_use]
    pub fn binding(&self) -> &RoundBinding {
        &self.binding
    }

    /// The round's parameters, with the operator's signature still to be verified (I15).
    #[must_use]
    pub fn params(&self) -> &SignedRoundParams {
        &self.binding.params
    }

    /// The round's id.
    #[must_use]
    pub fn round_id(&self) -> RoundId {
        self.round_id
    }

    /// The key that signs this round's receipts.
    #[must_use]
    pub fn receipt_key(&self) -> &ReceiptKey {
        &self.binding.receipt_key
    }

    /// Whose word this verdict rests on.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Whether the enclave runs in debug mode, which only a mock's policy lets through.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.debug
    }

    /// The label of the accepted image in the policy.
    #[must_use]
    pub fn measurement_label(&self) -> &str {
        &self.measurement_label
    }

    /// When the evidence was signed.
    #[must_use]
    pub fn evidence_time(&self) -> UnixMillis {
        self.evidence_time
    }

    /// Until when the evidence is fresh: its time and the policy's maximal age, or the end of the
    /// image's endorsement if that comes first.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }

    /// Whether the evidence is still fresh at `now`, by a clock that may be `skew` behind.
    /// Sealing with stale evidence is refused by its caller (I15): renew it first.
    #[must_use]
    pub fn is_fresh(&self, now: UnixMillis, skew: Duration) -> bool {
        now <= self.expires_at && self.evidence_time.since(now) <= millis(skew)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
