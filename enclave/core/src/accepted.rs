//! Opened and accepted contributions. Both can only come from a sealed header that opened.

use sealsum_protocol::{ContributionHeader, Digest, KemPrivateKey, MaskSeed, Refusal, RoundTerms};

/// A contribution whose header opened and whose weight is within its bound.
pub(crate) struct OpenedContribution {
    header: ContributionHeader,
    seed: MaskSeed,
    weight: u32,
}
sealsum_protocol::secret!(OpenedContribution);

impl OpenedContribution {
    /// Opens a header under the round's key.
    ///
    /// # Errors
    /// The two single-shot refusals `DoesNotOpen` and `WeightAboveBound` (I14): the
    /// caller burns the id.
    pub(crate) fn open(
        header: ContributionHeader,
        key: &KemPrivateKey,
        terms: &RoundTerms,
    ) -> Result<Self, Refusal> {
        let (seed, weight) = key
            .open(
                &header.round_id,
                &header.client,
                &header.encapsulated_key,
                &header.commitment,
                &header.sealed,
            )
            .map_err(|_| Refusal::DoesNotOpen)?;
        if weight == 0 || weight > terms.max_weight {
            return Err(Refusal::WeightAboveBound);
        }
        Ok(Self {
            header,
            seed,
            weight,
        })
    }

    pub(crate) const fn header(&self) -> &ContributionHeader {
        &self.header
    }

    pub(crate) const fn seed(&self) -> &MaskSeed {
        &self.seed
    }

    pub(crate) const fn weight(&self) -> u32 {
        self.weight
    }

    /// Accepted for `presum`: the seed is kept until the sum is released.
    pub(crate) fn keep_seed(self) -> AcceptedContribution {
        AcceptedContribution {
            digest: self.header.digest(),
            weight: self.weight,
            seed: Some(self.seed),
        }
    }

    /// Accepted in `stream`: the update is in the sum, so the seed is erased.
    pub(crate) fn spend_seed(self) -> AcceptedContribution {
        AcceptedContribution {
            digest: self.header.digest(),
            weight: self.weight,
            seed: None,
        }
    }
}

/// A contribution that is in the round.
pub(crate) struct AcceptedContribution {
    digest: Digest,
    weight: u32,
    seed: Option<MaskSeed>,
}
sealsum_protocol::secret!(AcceptedContribution);

impl AcceptedContribution {
    pub(crate) const fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) const fn weight(&self) -> u32 {
        self.weight
    }

    pub(crate) fn into_seed(self) -> Option<MaskSeed> {
        self.seed
    }
}
