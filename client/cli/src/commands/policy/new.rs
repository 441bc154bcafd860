//! `sealsum policy new`: writes a commented policy. No privacy term has a default: each is given, or
//! asked for.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use sealsum_client::RoundPolicy;
use sealsum_client::policy::{
    AdmissionTerm, Budget, IntakeTerm, KemTerm, NoiseFloor, OperatorTerm, RoundPolicyFile, RuleTerm,
};
use sealsum_protocol::{AggregationRule, TaskName};
use serde_json::json;

use super::super::file;
use super::ask::{ask, ask_consent, ask_list, somebody_is_there};
use crate::failure::Failure;
use crate::output::Report;

#[derive(ClapArgs)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Args {
    /// The file to write; never overwritten
    file: PathBuf,
    /// The appraisal policy: which enclaves are trusted
    #[arg(long, value_name = "PATH")]
    appraisal_policy: Option<PathBuf>,
    /// The operator's public key, or "any"
    #[arg(long, value_name = "HEX")]
    operator_key: Option<OperatorTerm>,
    /// A task that may be contributed to; may be repeated
    #[arg(long, value_name = "NAME")]
    task: Vec<TaskName>,
    /// The smallest cohort that a round may release; at least 3
    #[arg(long, value_name = "N")]
    min_cohort: Option<u32>,
    /// Who else may contribute: open, registry:HEX (a root), or authority:HEX (a key)
    #[arg(long, value_name = "ADMISSION")]
    admission: Option<AdmissionTerm>,
    /// The least noise: none, or a standard deviation in the update's own units
    #[arg(long, value_name = "SIGMA")]
    noise_floor: Option<NoiseFloor>,
    /// An accepted KEM suite, x-wing or x25519; may be repeated
    #[arg(long, value_name = "SUITE")]
    kem: Vec<KemTerm>,
    /// An accepted intake, stream or presum; may be repeated
    #[arg(long, value_name = "INTAKE")]
    intake: Vec<IntakeTerm>,
    /// An accepted rule, sum, mean or weighted-mean; may be repeated
    #[arg(long, value_name = "RULE")]
    rule: Vec<RuleTerm>,
    /// Let the sum of the weights be released
    #[arg(long)]
    release_weights: bool,
    /// Contributions that this data set may make in its lifetime
    #[arg(long, value_name = "N")]
    budget: Option<u32>,
    /// Rounds that may be repeated without proof that the first attempt let nothing out
    #[arg(long, value_name = "N", default_value_t = 0)]
    unproven_retries: u32,
    /// A weakening that is accepted, in sealsum's exact words; may be repeated
    #[arg(long, value_name = "SENTENCE")]
    consent: Vec<String>,
    /// The policy is for a mock enclave, which protects nothing
    #[arg(long)]
    mock: bool,
}

impl Args {
    pub(super) fn run(self) -> Result<Report, Failure> {
        file::refuse_existing(&self.file)?;
        let ask_for_missing = somebody_is_there();
        if !ask_for_missing {
            self.refuse_missing()?;
        }
        let path = self.file.clone();
        let mut policy = self.complete()?;
        if ask_for_missing {
            let weighted = RuleTerm(AggregationRule::WeightedMean);
            if policy.rules.contains(&weighted) && !policy.release_weights {
                policy.release_weights = ask("release the sum of the weights (true, false)")?;
            }
            for sentence in policy.needed_consents().collect::<Vec<_>>() {
                let given = policy.consent.iter().any(|text| text == sentence);
                if !given && ask_consent(sentence)? {
                    policy.consent.push(sentence.to_owned());
                }
            }
        }
        RoundPolicy::at(&path, policy.clone())?;
        file::write(&path, policy.to_commented_toml().as_bytes())?;
        let json = json!({ "policy": path.display().to_string(), "mock": policy.mock });
        Ok(Report::new(json, format!("wrote {}", path.display())))
    }

    fn refuse_missing(&self) -> Result<(), Failure> {
        let terms = [
            ("--appraisal-policy", self.appraisal_policy.is_none()),
            ("--operator-key", self.operator_key.is_none()),
            ("--task", self.task.is_empty()),
            ("--min-cohort", self.min_cohort.is_none()),
            ("--admission", self.admission.is_none()),
            ("--noise-floor", self.noise_floor.is_none()),
            ("--kem", self.kem.is_empty()),
            ("--intake", self.intake.is_empty()),
            ("--rule", self.rule.is_empty()),
            ("--budget", self.budget.is_none()),
        ];
        let missing = terms.into_iter().filter(|(_, missing)| *missing);
        let missing: Vec<_> = missing.map(|(flag, _)| flag).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "no privacy term has a default; missing: {} (on a terminal, sealsum asks for them)",
            missing.join(", ")
        );
        Err(Failure::usage(&detail))
    }

    fn complete(self) -> Result<RoundPolicyFile, Failure> {
        let appraisal = given(self.appraisal_policy, "path of the appraisal policy")?;
        Ok(RoundPolicyFile {
            appraisal_policy: relative_to(&self.file, &appraisal)?,
            tasks: given_list(self.task, "exact task names, separated by commas")?,
            operator_key: given(self.operator_key, "operator's public key (64 hex), or any")?,
            min_cohort: given(self.min_cohort, "smallest cohort (at least 3)")?,
            admission: given(
                self.admission,
                "admission (open, registry:HEX, authority:HEX)",
            )?,
            noise_floor: given(self.noise_floor, "least noise (none, or sigma)")?,
            kem_suites: given_list(self.kem, "KEM suites (x-wing, x25519)")?,
            intakes: given_list(self.intake, "intakes (stream, presum)")?,
            rules: given_list(self.rule, "rules (sum, mean, weighted-mean)")?,
            release_weights: self.release_weights,
            budget: Budget {
                contributions: match self.budget {
                    Some(budget) => budget,
                    None => ask::<NonZeroU32>("contributions in this data set's lifetime")?.get(),
                },
            },
            unproven_retries: self.unproven_retries,
            consent: self.consent,
            mock: self.mock,
        })
    }
}

fn given<T: std::str::FromStr<Err: std::fmt::Display>>(
    value: Option<T>,
    question: &str,
) -> Result<T, Failure> {
    value.map_or_else(|| ask(question), Ok)
}

fn given_list<T: std::str::FromStr<Err: std::fmt::Display>>(
    values: Vec<T>,
    question: &str,
) -> Result<Vec<T>, Failure> {
    if values.is_empty() {
        ask_list(question)
    } else {
        Ok(values)
    }
}

/// The appraisal policy's path as the new file has to name it: relative where it lies below the
/// file's folder, so that both can move together, absolute otherwise.
fn relative_to(file: &Path, appraisal: &Path) -> Result<String, Failure> {
    let absolute =
        |path: &Path| std::fs::canonicalize(path).map_err(|error| Failure::file(path, &error));
    let appraisal = absolute(appraisal)?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => absolute(folder)?,
        _ => absolute(Path::new("."))?,
    };
    let named = appraisal.strip_prefix(&folder).unwrap_or(&appraisal);
    named.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::file(
            named,
            &"the path is not UTF-8, which a TOML file can't hold",
        )
    })
}

const EXAMPLE: &str = "Example:
  sealsum policy new clinic.toml --appraisal-policy appraisal.toml \\
      --operator-key 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c \\
      --task wards --min-cohort 5 --admission open --noise-floor 0.5 --kem x-wing \\
      --intake stream --rule mean --budget 20";
