//! Statements and proofs that no enclave made: signed by the parent, taken from elsewhere, or
//! put together from parts of true ones.

use sealsum_protocol::canonical::{decode, encode};
use sealsum_protocol::{
    AbortReceipt, ClientId, Cohort, CohortProof, Digest, Receipt, ReceiptSigner, RoundId, Signed,
    Statement,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A key of the parent's own.
#[must_use]
pub fn own_signer() -> ReceiptSigner {
    ReceiptSigner::from_secret(&[0x66; 32])
}

/// "The round was aborted", in the parent's own words.
#[must_use]
pub fn own_abort(round_id: RoundId) -> Signed<AbortReceipt> {
    own_signer().sign(AbortReceipt {
        round_id,
        discarded: 0,
    })
}

/// A receipt with something changed, signed by the parent.
#[must_use]
pub fn own_receipt(of: &Signed<Receipt>, change: impl Fn(&mut Receipt)) -> Signed<Receipt> {
    let mut receipt = of.unverified().clone();
    change(&mut receipt);
    own_signer().sign(receipt)
}

/// One statement under the signature of another, of the same or another kind.
#[must_use]
pub fn grafted<T, U>(statement: &Signed<T>, signature: &Signed<U>) -> Signed<T>
where
    T: Statement + Serialize + DeserializeOwned,
    U: Statement + Serialize,
{
    let (onto, _) = parts(statement);
    let (_, from) = parts(signature);
    decode(&[onto, from].concat()).unwrap()
}

/// A true proof about a cohort of the parent's choice.
#[must_use]
pub fn proof_in(
    members: impl IntoIterator<Item = (ClientId, Digest)>,
    client: &ClientId,
) -> CohortProof {
    members.into_iter().collect::<Cohort>().prove(client)
}

/// The encoding up to the signature's 64 bytes, which end it, and those.
fn parts<T: Statement + Serialize>(signed: &Signed<T>) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = encode(signed);
    let signature = bytes.split_off(bytes.len() - 64);
    (bytes, signature)
}
