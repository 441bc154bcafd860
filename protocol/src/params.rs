//! The parameters of a round: what every party agrees on before anything is masked.
//!
//! [`RoundTerms`] is what an operator writes; [`RoundParams`] is the same once it
//! has been checked, and can't be had otherwise: construction proves that no sum
//! of honest encodings wraps (I6). The operator signs them; clients judge them.

use serde::{Deserialize, Serialize};

use crate::block::BlockLayout;
use crate::ids::{Digest, OperatorKey, TaskName};
use crate::kem::KemSuite;
use crate::plan::{self, PlanError};
use crate::registry::RegistryGrant;
use crate::ring::RingBits;
use crate::signature::{Signature, SignatureError};
use crate::{OperatorSigner, label};

/// The smallest cohort whose sum ever leaves an enclave, whatever the parameters
/// say (I2). A constant of the measured image.
pub const FLOOR: u32 = 3;

/// The largest cohort that the protocol can name.
pub const COHORT_LIMIT: u32 = 1 << 24;

/// What an operator asks for. Field by field as in docs/PROTOCOL.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundTerms {
    /// Protocol version: 1.
    pub version: u16,
    /// The task that this round belongs to.
    pub task: TaskName,
    /// Counts a task's rounds.
    pub round_number: u64,
    /// Who signs these parameters.
    pub operator: OperatorKey,
    /// Digest of the model that updates are relative to.
    pub base_model: Digest,
    /// Digest of the updates' layout.
    pub schema: Digest,
    /// d: elements of an update, 1 to 2^32 - 1.
    pub dimension: u64,
    /// k: the ring's width in bits, 8 to 32, or 64.
    pub ring_bits: RingBits,
    /// Bound on each element's absolute value, in steps of 2^-fractional_bits.
    pub clip: u64,
    /// Bits after the binary point, 0 to 40.
    pub fractional_bits: u8,
    /// How values between two steps are rounded.
    pub rounding: Rounding,
    /// Largest weight a client may give itself; 1 unless the rule is a weighted mean.
    pub max_weight: u32,
    /// Smallest cohort that is released; at least [`FLOOR`].
    pub min_cohort: u32,
    /// Largest cohort that is accepted.
    pub max_cohort: u32,
    /// What crosses the enclave's boundary.
    pub intake: Intake,
    /// Who may contribute.
    pub admission: Admission,
    /// What the aggregate is.
    pub rule: AggregationRule,
    /// Noise that the enclave adds.
    pub noise: Noise,
    /// How clients reach the enclave's key.
    pub kem: KemSuite,
    /// Bound on the L2 norm of the encoded, weighted update, in steps; `stream` only.
    pub l2_bound: Option<u64>,
    /// Digest of the task's previous receipt.
    pub previous_receipt: Option<Digest>,
}

/// How values between two steps are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To the nearest step.
    Nearest,
    /// Up or down at random, so that the expectation is the value.
    Stochastic,
}

/// What crosses the enclave's boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intake {
    /// Every masked update: the enclave checks each and the sum is right whatever the parent does.
    Stream,
    /// Sealed headers and one summed vector: the parent can falsify the sum, never read it.
    Presum,
}

/// Who may contribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Anyone: distinct ids count, which stops no Sybil.
    Open,
    /// Holders of the keys under this Merkle root.
    Registry {
        /// Root over the admitted Ed25519 keys.
        root: Digest,
        /// Number of keys.
        size: u64,
        /// An authority's word for them, for clients that pin the authority.
        grant: Option<RegistryGrant>,
    },
}

/// What the aggregate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregationRule {
    /// The sum of the updates.
    Sum,
    /// The sum divided by the cohort's size.
    Mean,
    /// The weighted sum divided by the sum of the weights, which is released too.
    WeightedMean,
}

/// Noise that the enclave adds before release. Parameters can name it and the
/// planner leaves room for it; an enclave of version 0.1 refuses to open such a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// None.
    None,
    /// Discrete Gaussian.
    DiscreteGaussian {
        /// Standard deviation in steps of 2^-fractional_bits.
        sigma: u64,
        /// Bound that the noise of one element exceeds with negligible probability, in steps.
        tail: u64,
    },
}

/// Checked parameters. Holding one proves that honest sums do not wrap (I6).
///
/// ```
/// use sealsum_protocol::{RoundParams, RoundTerms};
/// fn checked(terms: RoundTerms) -> Option<RoundParams> {
///     RoundParams::new(terms).ok()
/// }
/// ```
/// ```compile_fail,E0423
/// use sealsum_protocol::{RoundParams, RoundTerms};
/// fn unchecked(terms: RoundTerms) -> Option<RoundParams> {
///     Some(RoundParams(terms))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RoundTerms", into = "RoundTerms")]
pub struct RoundParams(RoundTerms);

impl RoundParams {
    /// Checks the terms.
    ///
    /// # Errors
    /// [`PlanError`] with the term, its bound, and for a sum that could wrap the
    /// smallest change that would fit.
    pub fn new(terms: RoundTerms) -> Result<Self, PlanError> {
        plan::check(&terms)?;
        Ok(Self(terms))
    }

    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &RoundTerms {
        &self.0
    }

    /// How vectors of this round fall into blocks.
    #[must_use]
    pub const fn layout(&self) -> BlockLayout {
        BlockLayout::new(self.0.dimension, self.0.ring_bits)
    }

    /// Has the operator sign the parameters.
    ///
    /// # Errors
    /// [`SignatureError`] if the signer's key is not the one that the terms name.
    pub fn sign(self, signer: &OperatorSigner) -> Result<SignedRoundParams, SignatureError> {
        if signer.key() != self.0.operator {
            return Err(SignatureError::OtherKey);
        }
        let signature = signer.sign(label::ROUND_PARAMS, &self);
        Ok(SignedRoundParams {
            params: self,
            signature,
        })
    }
}

impl TryFrom<RoundTerms> for RoundParams {
    type Error = PlanError;

    fn try_from(terms: RoundTerms) -> Result<Self, PlanError> {
        Self::new(terms)
    }
}

impl From<RoundParams> for RoundTerms {
    fn from(params: RoundParams) -> Self {
        params.0
    }
}

/// Parameters with the signature of the operator that they name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRoundParams {
    /// The parameters.
    pub params: RoundParams,
    /// By `params.operator`, over the canonical parameters under [`label::ROUND_PARAMS`].
    pub signature: Signature,
}

impl SignedRoundParams {
    /// Checks the signature by the key that the parameters name. Whether that is
    /// the right operator is for the client's policy to say.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self) -> Result<&RoundParams, SignatureError> {
        self.params
            .terms()
            .operator
            .verify(label::ROUND_PARAMS, &self.params, &self.signature)?;
        Ok(&self.params)
    }
}
