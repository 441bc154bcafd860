//! A client that seals to whatever key it is shown. For tests only: a real client
//! goes through an appraised enclave (I1).

use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::{
    Admission, ClientId, ClientSigner, Encapsulation, Encoding, Registry, RoundBinding, seal,
};

use crate::{Contribution, SeededRng};

/// The key of client number `n` of every test.
#[must_use]
pub fn client_signer(n: u64) -> ClientSigner {
    ClientSigner::from_secret(blake3::hash(&n.to_le_bytes()).as_bytes())
}

/// The id of client number `n` of every test: its public key.
#[must_use]
pub fn client_id(n: u64) -> ClientId {
    client_signer(n).key()
}

/// A registry of clients by number.
pub fn registry(clients: impl IntoIterator<Item = u64>) -> Registry {
    clients.into_iter().map(client_id).collect()
}

/// Parameters' admission by that registry.
#[must_use]
pub fn admission(registry: &Registry) -> Admission {
    Admission::Registry {
        root: registry.root(),
        size: registry.size(),
        grant: None,
    }
}

impl Contribution {
    /// Signed by client number `n`, as a member of `registry`.
    #[must_use]
    pub fn signed_by(self, n: u64, registry: &Registry) -> Self {
        let (index, path) = registry.place(&client_id(n)).unwrap_or_default();
        let header = self.header.with_credential(&client_signer(n), index, path);
        Self { header, ..self }
    }
}

/// A client with an id and repeatable randomness.
pub struct UncheckedClient {
    id: ClientId,
    rng: SeededRng,
}

impl UncheckedClient {
    /// Client number `n`.
    #[must_use]
    pub fn new(n: u64) -> Self {
        Self {
            id: client_id(n),
            rng: SeededRng::new(n),
        }
    }

    /// Client number `n` with other randomness than its own: the same client another time.
    #[must_use]
    pub fn with_randomness(n: u64, seed: u64) -> Self {
        Self {
            id: client_id(n),
            rng: SeededRng::new(seed),
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> ClientId {
        self.id
    }

    /// Encodes, masks and seals `values` with weight 1.
    pub fn contribute(&mut self, binding: &RoundBinding, values: &[f64]) -> Contribution {
        self.contribute_weighted(binding, values, 1)
    }

    /// The same with a weight.
    pub fn contribute_weighted(
        &mut self,
        binding: &RoundBinding,
        values: &[f64],
        weight: u32,
    ) -> Contribution {
        let params = &binding.params.params;
        let seed = RoundingSeed::new(self.rng.bytes());
        let update = Encoding::new(params, values, weight, OutOfRange::Clamp, &seed).unwrap();
        self.seal(binding, update)
    }

    /// Masks and seals an update that was encoded under any parameters at all.
    pub fn seal(&mut self, binding: &RoundBinding, update: Encoding<'_>) -> Contribution {
        let encapsulation = Encapsulation::to(binding, &self.id, &mut self.rng).unwrap();
        let sealed = seal(encapsulation, update).unwrap();
        Contribution {
            header: sealed.header,
            body: sealed.masked.0,
        }
    }
}
