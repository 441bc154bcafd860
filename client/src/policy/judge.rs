//! Judging a round's parameters: decides, term by term, whether this data holder takes part (I15).
//!
//! The parameters are those that the evidence vouches for, and the operator's signature on them is
//! verified first. The base model's digest is the one computed from the model in hand.

use core::fmt;
use core::time::Duration;

use sealsum_attestation::{AppraisedEnclave, ArchivedEvidence, Trust};
use sealsum_protocol::{
    AggregationRule, Digest, Noise, RegistryGrant, RoundId, RoundParams, RoundTerms,
    SignatureError, SignedRoundParams, UnixMillis,
};

use super::terms::{IntakeTerm, KemTerm, NoiseFloor, OperatorTerm, RuleTerm};
use super::{RoundPolicy, admission, names};

/// Parameters that a policy accepts, for one appraised round. Sealing takes them.
///
/// They can't be made up, only earned by [`RoundPolicy::judge`]:
///
/// ```compile_fail
/// fn forge(params: sealsum_protocol::RoundParams) -> sealsum_client::AcceptedTerms {
///     sealsum_client::AcceptedTerms { params }
/// }
/// ```
///
/// ```
/// use sealsum_attestation::AppraisedEnclave;
/// use sealsum_client::{AcceptedTerms, RoundPolicy, TermRefused};
/// use sealsum_protocol::{Digest, UnixMillis};
///
/// fn earn(
///     policy: &RoundPolicy,
///     enclave: &AppraisedEnclave,
///     base_model: &Digest,
///     now: UnixMillis,
/// ) -> Result<AcceptedTerms, TermRefused> {
///     policy.judge(enclave, base_model, now)
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct AcceptedTerms {
    round_id: RoundId,
    params: RoundParams,
    trust: Trust,
    clock_skew: Duration,
    grant: Option<RegistryGrant>,
}

impl AcceptedTerms {
    /// The round that they are for.
    #[must_use]
    pub fn round_id(&self) -> RoundId {
        self.round_id
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &RoundParams {
        &self.params
    }

    /// What the verdict behind them is worth.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// The authority's word that was relied on, where the policy pins an authority.
    pub(crate) fn grant(&self) -> Option<&RegistryGrant> {
        self.grant.as_ref()
    }

    /// How far this site's clock may be behind the enclave's.
    pub(crate) fn clock_skew(&self) -> Duration {
        self.clock_skew
    }
}

impl RoundPolicy {
    /// Judges the parameters of an appraised round. `base_model` is the digest of the model in
    /// hand ([`crate::BaseModel::digest`]), `now` this site's time, which an authority's grant has
    /// to outlast.
    ///
    /// # Errors
    /// [`TermRefused`] with the first term that does not hold. Nothing was recorded or sent.
    pub fn judge(
        &self,
        enclave: &AppraisedEnclave,
        base_model: &Digest,
        now: UnixMillis,
    ) -> Result<AcceptedTerms, TermRefused> {
        self.judge_trust(enclave.trust())?;
        let params = self.judge_origin(enclave.params())?;
        let terms = params.terms();
        let base = require(
            terms.base_model == *base_model,
            Term::BaseModel,
            &terms.base_model,
            base_model,
        );
        let grant = base.and_then(|()| self.judge_terms(terms, now))?;
        Ok(AcceptedTerms {
            round_id: enclave.round_id(),
            params: params.clone(),
            trust: enclave.trust(),
            clock_skew: self.clock_skew(),
            grant,
        })
    }

    /// Judges a finished round: its operator, its task, and how many stand behind it at least.
    /// What it released is out already, so the other terms have nothing left to protect.
    ///
    /// # Errors
    /// [`TermRefused`].
    pub fn judge_archived(&self, evidence: &ArchivedEvidence) -> Result<(), TermRefused> {
        self.judge_trust(evidence.trust())?;
        let params = self.judge_origin(evidence.params())?;
        self.judge_minimum(params.terms())
    }

    fn judge_minimum(&self, terms: &RoundTerms) -> Result<(), TermRefused> {
        let wanted = self.file.min_cohort;
        let enough = terms.min_cohort >= wanted;
        require(enough, Term::MinCohort, &terms.min_cohort, &AtLeast(wanted))
    }

    fn judge_trust(&self, offered: Trust) -> Result<(), TermRefused> {
        let wanted = self.appraisal.trust();
        require(offered == wanted, Term::Trust, &offered, &wanted)
    }

    fn judge_origin<'a>(
        &self,
        signed: &'a SignedRoundParams,
    ) -> Result<&'a RoundParams, TermRefused> {
        let params = signed.verify().map_err(|error| {
            let offered: &SignatureError = &error;
            TermRefused::new(Term::OperatorSignature, offered, &"a valid signature")
        })?;
        let terms = params.terms();
        let operator = self.file.operator_key;
        let offered = OperatorTerm::Key(terms.operator);
        let pinned = operator == OperatorTerm::Any || operator == offered;
        require(pinned, Term::OperatorKey, &offered, &operator)?;
        let tasks = &self.file.tasks;
        require(
            names(tasks, &terms.task),
            Term::Task,
            &terms.task,
            &OneOf(tasks),
        )?;
        Ok(params)
    }

    fn judge_terms(
        &self,
        terms: &RoundTerms,
        now: UnixMillis,
    ) -> Result<Option<RegistryGrant>, TermRefused> {
        let wanted = &self.file;
        self.judge_minimum(terms)?;

        let grant = admission::judge(&wanted.admission, terms, now)?;

        let noise = noise_of(terms);
        let floor = wanted.noise_floor;
        require(
            reaches(noise, floor),
            Term::NoiseFloor,
            &noise,
            &AtLeast(floor),
        )?;

        let kem = KemTerm(terms.kem);
        let suites = &wanted.kem_suites;
        require(suites.contains(&kem), Term::Kem, &kem, &OneOf(suites))?;
        let intake = IntakeTerm(terms.intake);
        let intakes = &wanted.intakes;
        require(
            intakes.contains(&intake),
            Term::Intake,
            &intake,
            &OneOf(intakes),
        )?;
        let rule = RuleTerm(terms.rule);
        let rules = &wanted.rules;
        require(rules.contains(&rule), Term::Rule, &rule, &OneOf(rules))?;
        let weights = terms.rule == AggregationRule::WeightedMean;
        let kept = !weights || wanted.release_weights;
        require(
            kept,
            Term::ReleaseWeights,
            &weights,
            &wanted.release_weights,
        )?;
        Ok(grant)
    }
}

/// The parameters' noise in the update's own units: their sigma counts steps of 2^-fractional_bits.
fn noise_of(terms: &RoundTerms) -> NoiseFloor {
    match terms.noise {
        Noise::None => NoiseFloor::None,
        // A float's rounding is far below what a noise floor means.
        Noise::DiscreteGaussian { sigma, .. } => {
            NoiseFloor::Sigma(sigma as f64 / 2_f64.powi(terms.fractional_bits.into()))
        }
    }
}

fn reaches(noise: NoiseFloor, floor: NoiseFloor) -> bool {
    match (noise, floor) {
        (_, NoiseFloor::None) => true,
        (NoiseFloor::None, NoiseFloor::Sigma(_)) => false,
        (NoiseFloor::Sigma(sigma), NoiseFloor::Sigma(least)) => sigma >= least,
    }
}

fn require(
    holds: bool,
    term: Term,
    offered: &dyn fmt::Display,
    wanted: &dyn fmt::Display,
) -> Result<(), TermRefused> {
    if holds {
        Ok(())
    } else {
        Err(TermRefused::new(term, offered, wanted))
    }
}

struct AtLeast<T>(T);

impl<T: fmt::Display> fmt::Display for AtLeast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at least {}", self.0)
    }
}

struct OneOf<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for OneOf<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, value) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { " or " };
            write!(f, "{separator}{value}")?;
        }
        Ok(())
    }
}

/// A term of the parameters, by its name in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Term {
    /// Mock or not.
    Trust,
    /// The operator's signature.
    OperatorSignature,
    /// The operator.
    OperatorKey,
    /// The task.
    Task,
    /// The model that updates are relative to.
    BaseModel,
    /// The smallest cohort that is released.
    MinCohort,
    /// Who may contribute.
    Admission,
    /// The pinned authority's signature on the registry.
    GrantSignature,
    /// Until when that authority's word holds.
    GrantNotAfter,
    /// The noise.
    NoiseFloor,
    /// The KEM suite.
    Kem,
    /// The intake.
    Intake,
    /// The rule.
    Rule,
    /// Whether the sum of the weights is released.
    ReleaseWeights,
}

impl Term {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::OperatorSignature => "operator_signature",
            Self::OperatorKey => "operator_key",
            Self::Task => "task",
            Self::BaseModel => "base_model",
            Self::MinCohort => "min_cohort",
            Self::Admission => "admission",
            Self::GrantSignature => "grant_signature",
            Self::GrantNotAfter => "grant_not_after",
            Self::NoiseFloor => "noise_floor",
            Self::Kem => "kem_suites",
            Self::Intake => "intakes",
            Self::Rule => "rules",
            Self::ReleaseWeights => "release_weights",
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A term that the policy does not accept. Nothing was recorded or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the policy refuses this round: {term} is {offered}, the policy wants {wanted}{}",
    hint(*.term)
)]
pub struct TermRefused {
    /// Which term.
    pub term: Term,
    /// What the round offers.
    pub offered: String,
    /// What the policy wants.
    pub wanted: String,
}

impl TermRefused {
    pub(super) fn new(term: Term, offered: &dyn fmt::Display, wanted: &dyn fmt::Display) -> Self {
        Self {
            term,
            offered: offered.to_string(),
            wanted: wanted.to_string(),
        }
    }
}

fn hint(term: Term) -> &'static str {
    match term {
        Term::BaseModel => {
            " (the second digest is that of the model file given here: is it this round's model, and are --select and --exclude those that the round was opened with?)"
        }
        Term::OperatorKey => {
            " (compare the key with the operator by another way before changing it)"
        }
        _ => "",
    }
}
