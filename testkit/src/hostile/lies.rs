//! What a parent bends in the offers that it hands to clients.
//!
//! A lie is a function over the offer; [`told`] applies it to the bytes of an answer.

use sealsum_protocol::canonical::{decode, encode};
use sealsum_protocol::{
    NoncePath, ReceiptKey, RoundOffer, RoundParams, RoundTerms, SignedRoundParams,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{operator, sign};

/// A lie that needs nothing to be told.
pub type OfferLie = fn(&mut RoundOffer);

/// Lies that any parent can tell without an enclave's help, each with the rejection's code
/// that an honest client answers with.
pub const OFFER_LIES: [(OfferLie, &str); 7] = [
    (own_kem_key, "wrong-binding"),
    (own_receipt_key, "wrong-binding"),
    (bent_evidence, "document-signature"),
    (no_evidence, "envelope-empty"),
    (unfit_path, "nonce-path"),
    (path_of_another, "wrong-nonce"),
    (other_version, "protocol-version"),
];

/// A key that the parent holds the private half of.
pub fn own_kem_key(offer: &mut RoundOffer) {
    offer.binding.kem_key = vec![9; 32].into();
}

/// A receipt key of the parent's own.
pub fn own_receipt_key(offer: &mut RoundOffer) {
    offer.binding.receipt_key = ReceiptKey::new([1; 32]);
}

/// A bit of the evidence's signature.
pub fn bent_evidence(offer: &mut RoundOffer) {
    let byte = offer.evidence.iter_mut().nth_back(9).unwrap();
    *byte ^= 1;
}

/// No evidence at all.
pub fn no_evidence(offer: &mut RoundOffer) {
    offer.evidence.clear();
}

/// A path that does not fit its own place.
pub fn unfit_path(offer: &mut RoundOffer) {
    offer.nonce_path.size = 2;
}

/// The path of another client that waited beside this one.
pub fn path_of_another(offer: &mut RoundOffer) {
    let others = [[1; 32], [2; 32]].map(sealsum_protocol::ClientNonce::new);
    let (_, paths) = sealsum_protocol::nonce::gather(&others);
    offer.nonce_path = paths.into_iter().next().unwrap_or(NoncePath::alone());
}

/// Another version of the protocol.
pub fn other_version(offer: &mut RoundOffer) {
    offer.binding.version = 2;
}

/// Evidence that the parent kept, of whatever time, round or enclave.
pub fn evidence_of(other: &RoundOffer) -> impl Fn(&mut RoundOffer) + Send + 'static {
    let evidence = other.evidence.clone();
    move |offer| offer.evidence.clone_from(&evidence)
}

/// Other terms under a signature of the parent's own.
pub fn terms_of_its_own(
    change: impl Fn(&mut RoundTerms) + Send + 'static,
) -> impl Fn(&mut RoundOffer) + Send + 'static {
    move |offer| {
        let mut terms = offer.binding.params.params.terms().clone();
        terms.operator = operator().key();
        change(&mut terms);
        offer.binding.params = sign(terms);
    }
}

/// Other terms under the operator's signature, which is over the true ones.
#[must_use]
pub fn terms_under_a_true_signature(
    signed: &SignedRoundParams,
    change: impl Fn(&mut RoundTerms),
) -> SignedRoundParams {
    let mut terms = signed.params.terms().clone();
    change(&mut terms);
    SignedRoundParams {
        params: RoundParams::new(terms).unwrap(),
        ..signed.clone()
    }
}

/// The bytes of an answer of type `T`, with a lie told in it.
pub fn told<T: Serialize + DeserializeOwned>(bytes: &[u8], lie: impl Fn(&mut T)) -> Vec<u8> {
    let mut answer: T = decode(bytes).unwrap();
    lie(&mut answer);
    encode(&answer)
}
