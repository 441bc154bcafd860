//! Archived evidence: decides whether an enclave was acceptable when its evidence was signed (I16).
//!
//! For audits and receipts: leaf certificates live three hours, so what is kept can only be judged
//! at the document's own time, and it answers nobody's challenge. That the time is true, the
//! document alone can't say. Hence a type of its own, with no way to seal.

use sealsum_protocol::{ReceiptKey, RoundBinding, RoundId, SignedRoundParams, UnixMillis};

use crate::bound_round::bound_round;
use crate::document::UnverifiedDocument;
use crate::image::accepted_image;
use crate::policy::AppraisalPolicy;
use crate::rejection::Rejection;
use crate::trust::Trust;

/// Evidence that was good at its own time. It vouches for the receipts of its round.
///
/// It never authorises sealing:
///
/// ```compile_fail
/// use sealsum_attestation::ArchivedEvidence;
/// use sealsum_protocol::{ClientId, CryptoRng};
///
/// fn seal<R: CryptoRng>(evidence: &ArchivedEvidence, client: &ClientId, rng: &mut R) {
///     let _ = evidence.encapsulate(client, rng);
/// }
/// ```
///
/// An enclave that was appraised now does:
///
/// ```
/// use sealsum_attestation::AppraisedEnclave;
/// use sealsum_protocol::{ClientId, CryptoRng};
///
/// fn seal<R: CryptoRng>(enclave: &AppraisedEnclave, client: &ClientId, rng: &mut R) {
///     let _ = enclave.encapsulate(client, rng);
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct ArchivedEvidence {
    binding: RoundBinding,
    round_id: RoundId,
    trust: Trust,
    debug: bool,
    measurement_label: String,
    evidence_time: UnixMillis,
}

/// Appraises kept evidence for `binding`, at the time that the document itself states.
///
/// # Errors
/// The first point of checklist 1 to 7 and 9 that does not hold.
pub fn appraise_archived(
    evidence: &[u8],
    binding: RoundBinding,
    policy: &AppraisalPolicy,
) -> Result<ArchivedEvidence, Rejection> {
    let document = UnverifiedDocument::parse(evidence)?;
    let own_time = document.timestamp();
    // 8: the document's own time, which only this function may take.
    let document = document.authenticate(policy, own_time)?;
    // 6, 7.
    let image = accepted_image(&document, policy, own_time)?;
    // 9.
    let round_id = bound_round(&document, &binding)?;
    Ok(ArchivedEvidence {
        binding,
        round_id,
        trust: policy.trust(),
        debug: document.document().measurement().is_debug(),
        measurement_label: image.label().to_owned(),
        evidence_time: own_time,
    })
}

impl ArchivedEvidence {
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

    /// The key that signed this round's receipts.
    #[must_use]
    pub fn receipt_key(&self) -> &ReceiptKey {
        &self.binding.receipt_key
    }

    /// Whose word this verdict rests on.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Whether the enclave ran in debug mode, which only a mock's policy lets through.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.debug
    }

    /// The label of the accepted image in the policy.
    #[must_use]
    pub fn measurement_label(&self) -> &str {
        &self.measurement_label
    }

    /// When the evidence was signed, by its own word.
    #[must_use]
    pub fn evidence_time(&self) -> UnixMillis {
        self.evidence_time
    }
}
