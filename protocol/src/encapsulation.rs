//! One client's key agreement with the enclave: HPKE, composed as DESIGN §3 says.
//!
//! `info` = label, RoundId; exporter context = label, client id (gives the mask
//! seed); associated data = label, client id, commitment. So a sealed header opens
//! only in its round, for its client, beside its masked update (I4, I5).

use hpke::aead::{AeadCtxR, AeadCtxS, ChaCha20Poly1305};
use hpke::kdf::HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

use crate::kem::{KemKeyError, KemPrivateKey, KemPublicKey, X25519Kem, XWingKem};
use crate::label::{self, Label};
use crate::{ClientId, Commitment, CryptoRng, MaskSeed, RoundBinding, RoundId};

type Sender<K> = AeadCtxS<ChaCha20Poly1305, HkdfSha256, K>;
type Receiver<K> = AeadCtxR<ChaCha20Poly1305, HkdfSha256, K>;

/// The client's half of the agreement: good for one mask and one sealed header.
pub struct Encapsulation {
    round_id: RoundId,
    client: ClientId,
    encapsulated_key: Vec<u8>,
    seed: MaskSeed,
    sender: AnySender,
}
crate::secret!(Encapsulation);

enum AnySender {
    XWing(Box<Sender<XWingKem>>),
    X25519(Box<Sender<X25519Kem>>),
}

impl Encapsulation {
    /// Encapsulates to the binding's key. Says nothing about who holds that key:
    /// clients reach this through an appraised enclave only (I1).
    ///
    /// # Errors
    /// [`SealError`] if the binding's key is not a key of its suite.
    pub fn to(
        binding: &RoundBinding,
        client: &ClientId,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SealError> {
        let round_id = binding.round_id();
        let suite = binding.params.params.terms().kem;
        let (encapsulated_key, seed, sender) = match KemPublicKey::parse(suite, &binding.kem_key)? {
            KemPublicKey::XWing(key) => {
                let (encapsulated, seed, sender) =
                    set_up::<XWingKem>(&key, &round_id, client, rng)?;
                (encapsulated, seed, AnySender::XWing(Box::new(sender)))
            }
            KemPublicKey::X25519(key) => {
                let (encapsulated, seed, sender) =
                    set_up::<X25519Kem>(&key, &round_id, client, rng)?;
                (encapsulated, seed, AnySender::X25519(Box::new(sender)))
            }
        };
        Ok(Self {
            round_id,
            client: *client,
            encapsulated_key,
            seed,
            sender,
        })
    }

    /// The round that the key belongs to.
    #[must_use]
    pub const fn round_id(&self) -> RoundId {
        self.round_id
    }

    /// The client that it was made for.
    #[must_use]
    pub const fn client(&self) -> ClientId {
        self.client
    }

    pub(crate) const fn seed(&self) -> &MaskSeed {
        &self.seed
    }

    /// Seals the header, and ends this agreement. Returns the encapsulated key and
    /// the sealed bytes.
    pub(crate) fn seal_header(
        mut self,
        commitment: &Commitment,
        weight: u32,
    ) -> Result<(Vec<u8>, Vec<u8>), SealError> {
        let aad = associated_data(&self.client, commitment);
        let header = header_bytes(weight);
        let sealed = match &mut self.sender {
            AnySender::XWing(sender) => sender.seal(&header, &aad),
            AnySender::X25519(sender) => sender.seal(&header, &aad),
        }
        .map_err(|_| SealError::Hpke)?;
        Ok((self.encapsulated_key, sealed))
    }
}

impl KemPrivateKey {
    /// Opens a sealed header: the client's mask seed and weight.
    ///
    /// # Errors
    /// [`OpenError`], without saying why: an honest client never meets it.
    pub fn open(
        &self,
        round_id: &RoundId,
        client: &ClientId,
        encapsulated_key: &[u8],
        commitment: &Commitment,
        sealed: &[u8],
    ) -> Result<(MaskSeed, u32), OpenError> {
        match self {
            Self::XWing(key) => {
                open::<XWingKem>(key, round_id, client, encapsulated_key, commitment, sealed)
            }
            Self::X25519(key) => {
                open::<X25519Kem>(key, round_id, client, encapsulated_key, commitment, sealed)
            }
        }
    }
}

fn set_up<K: Kem>(
    key: &K::PublicKey,
    round_id: &RoundId,
    client: &ClientId,
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, MaskSeed, Sender<K>), SealError> {
    let info = context(label::HPKE_INFO, &[round_id.as_bytes()]);
    let (encapsulated, sender) = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeS::Base,
        key,
        &info,
        rng,
    )
    .map_err(|_| SealError::Hpke)?;
    let mut seed = Zeroizing::new([0; 32]);
    sender
        .export(&context(label::MASK_SEED, &[client.as_bytes()]), &mut *seed)
        .map_err(|_| SealError::Hpke)?;
    Ok((
        encapsulated.to_bytes().to_vec(),
        MaskSeed::new(&seed),
        sender,
    ))
}

fn open<K: Kem>(
    key: &K::PrivateKey,
    round_id: &RoundId,
    client: &ClientId,
    encapsulated_key: &[u8],
    commitment: &Commitment,
    sealed: &[u8],
) -> Result<(MaskSeed, u32), OpenError> {
    let encapsulated = K::EncappedKey::from_bytes(encapsulated_key).map_err(|_| OpenError)?;
    let info = context(label::HPKE_INFO, &[round_id.as_bytes()]);
    let mut receiver: Receiver<K> =
        hpke::setup_receiver(&OpModeR::Base, key, &encapsulated, &info).map_err(|_| OpenError)?;
    let mut seed = Zeroizing::new([0; 32]);
    receiver
        .export(&context(label::MASK_SEED, &[client.as_bytes()]), &mut *seed)
        .map_err(|_| OpenError)?;
    let header = receiver
        .open(sealed, &associated_data(client, commitment))
        .map_err(|_| OpenError)?;
    Ok((MaskSeed::new(&seed), weight_of(&header)?))
}

fn associated_data(client: &ClientId, commitment: &Commitment) -> Vec<u8> {
    context(
        label::HPKE_AAD,
        &[client.as_bytes(), commitment.0.as_bytes()],
    )
}

fn context(label: Label, parts: &[&[u8; 32]]) -> Vec<u8> {
    let mut context = label.prefixed();
    parts
        .iter()
        .for_each(|part| context.extend_from_slice(*part));
    context
}

/// The sealed header's content: the weight in four little-endian bytes. Of one
/// length for every weight, so that the sealed bytes' length tells nothing.
fn header_bytes(weight: u32) -> [u8; 4] {
    weight.to_le_bytes()
}

fn weight_of(header: &[u8]) -> Result<u32, OpenError> {
    header
        .try_into()
        .map(u32::from_le_bytes)
        .map_err(|_| OpenError)
}

/// Bytes of a sealed header: the weight and the cipher's tag.
pub const SEALED_HEADER_BYTES: usize = 4 + 16;

/// Why a contribution can't be sealed. The offer is at fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The offered key is none.
    #[error("the enclave's key in the offer: {0}")]
    Key(#[from] KemKeyError),
    /// The key agreement gave no usable secret.
    #[error("the key agreement with the enclave's key failed")]
    Hpke,
    /// The update can't be encoded.
    #[error(transparent)]
    Encode(#[from] crate::fixed::EncodeError),
}

/// A sealed header that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed header does not open")]
pub struct OpenError;
