//! Membership: decides that this identity can prove that a registry round admits it (I2, I17).
//!
//! Made from the identity and a registry in hand. Which registry a round goes by is for the round
//! policy to judge; here a credential is only made for the very root that the parameters carry, and
//! checked as the enclave will check it, so that no contribution is spent for nothing.

use sealsum_protocol::{
    Admission, ClientSigner, ContributionHeader, CredentialError, Digest, Registry, RoundTerms,
};

/// An identity's place in a registry, with the key that signs. No `Debug` or `Clone`; the key is
/// zeroized on drop (I10).
pub struct Member {
    signer: ClientSigner,
    root: Digest,
    size: u64,
    index: u64,
    path: Vec<Digest>,
}

impl Member {
    /// The signer's place; `None` if the registry does not admit its key.
    pub(crate) fn new(signer: ClientSigner, registry: &Registry) -> Option<Self> {
        let (index, path) = registry.place(&signer.key())?;
        Some(Self {
            signer,
            root: registry.root(),
            size: registry.size(),
            index,
            path,
        })
    }

    /// The root of the registry that this is a place in.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }
}

/// Who can make the credential that the terms ask for; `None` if they ask for none.
pub(crate) fn credentials<'a>(
    terms: &RoundTerms,
    member: Option<&'a Member>,
) -> Result<Option<&'a Member>, CredentialRefused> {
    let Admission::Registry { root, size, .. } = &terms.admission else {
        return Ok(None);
    };
    let member = member.ok_or(CredentialRefused::NoPlace { root: *root })?;
    if (member.root, member.size) != (*root, *size) {
        return Err(CredentialRefused::OtherRegistry {
            round: *root,
            round_size: *size,
            ours: member.root,
            our_size: member.size,
        });
    }
    Ok(Some(member))
}

impl Member {
    /// Signs a contribution, and reads the credential as the enclave will.
    pub(crate) fn sign(
        &self,
        header: ContributionHeader,
    ) -> Result<ContributionHeader, CredentialRefused> {
        let header = header.with_credential(&self.signer, self.index, self.path.clone());
        header.verify_credential(&self.root, self.size)?;
        Ok(header)
    }
}

/// Why no credential can be made. Nothing was recorded or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialRefused {
    /// A registry round, and no place in a registry was given.
    #[error(
        "the round admits only the keys of the registry {root}, and no place in it was given: name the registry's file (`--registry FILE`)"
    )]
    NoPlace {
        /// The round's registry.
        root: Digest,
    },
    /// The registry in hand is not the round's.
    #[error(
        "the round goes by the registry {round} of {round_size} keys, the file given is the registry {ours} of {our_size} keys: ask whoever keeps it for the current file"
    )]
    OtherRegistry {
        /// Root of the round's.
        round: Digest,
        /// Size of the round's.
        round_size: u64,
        /// Root of the one in hand.
        ours: Digest,
        /// Size of the one in hand.
        our_size: u64,
    },
    /// The credential would not be accepted: the place is another identity's.
    #[error("the credential made here would be refused: {0}")]
    Unsound(#[from] CredentialError),
}
