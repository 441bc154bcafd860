//! Opening a round: which parameters this enclave takes, and the round's fresh keys.

use sealsum_protocol::{
    KemPrivateKey, Noise, ReceiptSigner, Refusal, RoundBinding, RoundParams, SignedRoundParams,
    VERSION,
};
use zeroize::Zeroizing;

use crate::seams::Nsm;

/// A round's private keys. They live as long as the round.
pub(crate) struct RoundKeys {
    pub(crate) kem: KemPrivateKey,
    pub(crate) receipt: ReceiptSigner,
}
sealsum_protocol::secret!(RoundKeys);

/// Whether this enclave takes such parameters at all. That sums can't wrap (I6) is
/// proven by the type; what is left is the operator's signature and what this
/// version can't do.
///
/// # Errors
/// The refusal that says which.
pub(crate) fn admit(params: &SignedRoundParams) -> Result<&RoundParams, Refusal> {
    let params = params.verify().map_err(|_| Refusal::OperatorSignature)?;
    if params.terms().noise != Noise::None {
        return Err(Refusal::NoiseUnsupported);
    }
    Ok(params)
}

/// Draws the round's keys and binds them to its parameters (I5).
///
/// # Errors
/// `Device` if the security module gives no entropy.
pub(crate) fn draw_keys(
    params: SignedRoundParams,
    nsm: &mut impl Nsm,
) -> Result<(RoundKeys, RoundBinding), Refusal> {
    let mut kem_entropy = Zeroizing::new([0; 32]);
    let mut receipt_secret = Zeroizing::new([0; 32]);
    nsm.random(&mut *kem_entropy).map_err(|_| Refusal::Device)?;
    nsm.random(&mut *receipt_secret)
        .map_err(|_| Refusal::Device)?;
    let (kem, kem_key) = KemPrivateKey::derive(params.params.terms().kem, &kem_entropy);
    let receipt = ReceiptSigner::from_secret(&receipt_secret);
    let binding = RoundBinding {
        version: VERSION,
        params,
        kem_key: kem_key.into(),
        receipt_key: receipt.key(),
    };
    Ok((RoundKeys { kem, receipt }, binding))
}
