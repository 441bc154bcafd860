//! The round policy as a TOML file: decides which policies can't be meant seriously.
//!
//! Every privacy term is required and none has a default: a term that nobody wrote down is a term
//! that nobody chose (I15). Unknown keys are refused, so that a misspelt term is not ignored.

use core::fmt::Write as _;

use sealsum_protocol::{FLOOR, TaskName};
use serde::{Deserialize, Serialize};

use super::PolicyError;
use super::consent;
use super::terms::{AdmissionTerm, IntakeTerm, KemTerm, NoiseFloor, OperatorTerm, RuleTerm};

/// A round policy as it is written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundPolicyFile {
    /// Path of the appraisal policy, relative to this file's folder.
    pub appraisal_policy: String,
    /// The exact names of the tasks that may be contributed to; at least one.
    pub tasks: Vec<TaskName>,
    /// Whose signature the parameters need.
    pub operator_key: OperatorTerm,
    /// The least `min_cohort` of a round; at least [`FLOOR`].
    pub min_cohort: u32,
    /// Who else may contribute.
    pub admission: AdmissionTerm,
    /// The least noise.
    pub noise_floor: NoiseFloor,
    /// Accepted KEM suites; at least one.
    pub kem_suites: Vec<KemTerm>,
    /// Accepted intakes; at least one.
    pub intakes: Vec<IntakeTerm>,
    /// Accepted rules; at least one.
    pub rules: Vec<RuleTerm>,
    /// Whether the sum of the weights may be released.
    pub release_weights: bool,
    /// What this data set may spend, across tasks.
    pub budget: Budget,
    /// How often in a task's lifetime a round may be repeated without proof that the first
    /// attempt let nothing out.
    #[serde(default)]
    pub unproven_retries: u32,
    /// The weakenings accepted, in so many words.
    #[serde(default)]
    pub consent: Vec<String>,
    /// Whether this policy is for a mock, which protects nothing.
    #[serde(default)]
    pub mock: bool,
}

/// What a data set may spend in its lifetime, across all tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Contributions that are sealed and not refunded by proof.
    pub contributions: u32,
}

impl RoundPolicyFile {
    /// Reads and checks a policy's TOML.
    ///
    /// # Errors
    /// [`PolicyError`] with the term and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: Self =
            toml::from_str(text).map_err(|error| PolicyError::Syntax(Box::new(error)))?;
        file.check()?;
        Ok(file)
    }

    /// Checks what the types don't say.
    ///
    /// # Errors
    /// [`PolicyError`] with the term and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        let lists = [
            ("tasks", self.tasks.is_empty()),
            ("kem_suites", self.kem_suites.is_empty()),
            ("intakes", self.intakes.is_empty()),
            ("rules", self.rules.is_empty()),
        ];
        if let Some((term, _)) = lists.iter().find(|(_, empty)| *empty) {
            return Err(PolicyError::EmptyList(term));
        }
        if self.min_cohort < FLOOR {
            return Err(PolicyError::UnderFloor(self.min_cohort));
        }
        if self.budget.contributions == 0 {
            return Err(PolicyError::NoBudget);
        }
        consent::check(
            &self.consent,
            &self.admission,
            self.noise_floor,
            self.release_weights,
            &self.operator_key,
        )
    }

    /// The consents that these terms need, whether or not they are given.
    pub fn needed_consents(&self) -> impl Iterator<Item = &'static str> {
        consent::needed(
            &self.admission,
            self.noise_floor,
            self.release_weights,
            &self.operator_key,
        )
    }

    /// Writes the policy with a comment for each term.
    #[must_use]
    pub fn to_commented_toml(&self) -> String {
        let mut text = String::from(HEADER);
        let mut term = |comment: &str, name: &str, value: toml::Value| {
            for line in comment.lines() {
                let _ = writeln!(text, "# {line}");
            }
            let _ = writeln!(text, "{name} = {value}\n");
        };
        term(
            APPRAISAL,
            "appraisal_policy",
            self.appraisal_policy.as_str().into(),
        );
        term(TASKS, "tasks", list(&self.tasks));
        term(
            OPERATOR,
            "operator_key",
            self.operator_key.to_string().into(),
        );
        term(MIN_COHORT, "min_cohort", i64::from(self.min_cohort).into());
        term(ADMISSION, "admission", self.admission.to_string().into());
        let noise = match self.noise_floor {
            NoiseFloor::None => "none".into(),
            NoiseFloor::Sigma(sigma) => sigma.into(),
        };
        term(NOISE, "noise_floor", noise);
        term(KEM, "kem_suites", list(&self.kem_suites));
        term(INTAKES, "intakes", list(&self.intakes));
        term(RULES, "rules", list(&self.rules));
        term(WEIGHTS, "release_weights", self.release_weights.into());
        let contributions = i64::from(self.budget.contributions);
        let budget = toml::Table::from_iter([("contributions".to_owned(), contributions.into())]);
        term(BUDGET, "budget", budget.into());
        term(
            RETRIES,
            "unproven_retries",
            i64::from(self.unproven_retries).into(),
        );
        term(CONSENT, "consent", list(&self.consent));
        if self.mock {
            term(MOCK, "mock", true.into());
        }
        text
    }
}

fn list<T: ToString>(values: &[T]) -> toml::Value {
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .into()
}

const HEADER: &str = "# What this data holder accepts. `sealsum policy check FILE` reads it back.\n# Every term is required: a term that is missing is never guessed.\n\n";
const APPRAISAL: &str =
    "Which enclaves are trusted: root, images, freshness. Relative to this file's folder.";
const TASKS: &str = "The exact names of the tasks that may be contributed to.";
const OPERATOR: &str =
    "The operator whose signature a round's parameters need, or \"any\" (with consent).";
const MIN_COHORT: &str = "The smallest cohort that a round may release. Enclaves enforce 3.";
const ADMISSION: &str = "Who else may contribute: \"open\", or \"registry:\" and the root of the admitted keys,\nor \"authority:\" and the key that has to vouch for the registry. Under open admission distinct\nclients are counted, which stops nobody from being many.";
const NOISE: &str = "The least noise on each element of the sum, as a standard deviation in the update's own\nunits, or \"none\".";
const KEM: &str =
    "How the enclave's key may be reached. x-wing withstands later quantum computers.";
const INTAKES: &str = "stream: the enclave checks every update. presum: the parent could falsify the sum, not read it.";
const RULES: &str = "What the aggregate may be.";
const WEIGHTS: &str =
    "Whether the sum of the weights may be released; weighted-mean does so (with consent).";
const BUDGET: &str =
    "How many contributions this data set may make in its lifetime, across all tasks.";
const RETRIES: &str = "How often, in a task's lifetime, a round may be repeated although nothing proves that the first\nattempt let nothing out. Each use may disclose this site's update to whoever holds both sums.";
const CONSENT: &str =
    "Weakenings that are accepted, each in the exact words that sealsum asks for.";
const MOCK: &str =
    "This policy is for a mock enclave, which protects NOTHING. Each call needs --mock, too.";
