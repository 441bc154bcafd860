mod admission;

use sealsum_protocol::{
    Admission, AggregationRule, Digest, Intake, KemSuite, Noise, OperatorSigner, RoundTerms,
};

use super::*;
use crate::testing::{NOW, Nsm, Round, base_model, policy_file};

fn refused(
    nsm: &Nsm,
    policy: impl FnOnce(&mut RoundPolicyFile),
    terms: impl FnOnce(&mut RoundTerms),
) -> TermRefused {
    let enclave = nsm.appraise(&Round::with(1, terms));
    nsm.policy_with(policy)
        .judge(&enclave, &base_model().digest(), NOW)
        .unwrap_err()
}

#[test]
fn a_round_that_keeps_every_term_is_accepted() {
    let nsm = Nsm::boot();
    let round = Round::new(1);
    let enclave = nsm.appraise(&round);
    let accepted = nsm
        .policy()
        .judge(&enclave, &base_model().digest(), NOW)
        .unwrap();
    assert_eq!(accepted.round_id(), round.id());
    assert_eq!(accepted.trust(), Trust::Mock);
}

#[test]
fn each_term_is_refused_by_its_name() {
    let nsm = Nsm::boot();
    let keep = |_: &mut RoundPolicyFile| {};
    let same = |_: &mut RoundTerms| {};
    let cases = [
        (
            Term::Task,
            refused(&nsm, keep, |t| t.task = "ward".parse().unwrap()),
        ),
        (
            Term::OperatorKey,
            refused(
                &nsm,
                |p| {
                    let other = OperatorSigner::from_secret(&[9; 32]).key();
                    p.operator_key = OperatorTerm::Key(other);
                },
                same,
            ),
        ),
        (
            Term::BaseModel,
            refused(&nsm, keep, |t| t.base_model = Digest::new([7; 32])),
        ),
        (Term::MinCohort, refused(&nsm, |p| p.min_cohort = 4, same)),
        (
            Term::Admission,
            refused(
                &nsm,
                |p| p.admission = AdmissionTerm::Registry(Digest::new([7; 32])),
                same,
            ),
        ),
        (
            Term::NoiseFloor,
            refused(&nsm, |p| p.noise_floor = NoiseFloor::Sigma(0.1), same),
        ),
        (Term::Kem, refused(&nsm, keep, |t| t.kem = KemSuite::XWing)),
        (
            Term::Intake,
            refused(&nsm, keep, |t| t.intake = Intake::Presum),
        ),
        (
            Term::Rule,
            refused(&nsm, keep, |t| t.rule = AggregationRule::Sum),
        ),
        (
            Term::ReleaseWeights,
            refused(
                &nsm,
                |p| p.rules.push(RuleTerm(AggregationRule::WeightedMean)),
                |t| t.rule = AggregationRule::WeightedMean,
            ),
        ),
    ];
    for (term, refused) in cases {
        assert_eq!(refused.term, term, "{refused}");
        assert_ne!(refused.offered, refused.wanted);
        let words = refused.to_string();
        assert!(words.contains(term.as_str()), "{words}");
        assert!(words.contains(&refused.offered) && words.contains(&refused.wanted));
    }
}

#[test]
fn parameters_that_their_operator_did_not_sign_are_refused() {
    let nsm = Nsm::boot();
    let mut round = Round::new(1);
    let other = Round::with(1, |terms| terms.min_cohort = 50);
    round.binding.params.signature = other.binding.params.signature;
    let enclave = nsm.appraise(&round);
    let refused = nsm
        .policy()
        .judge(&enclave, &base_model().digest(), NOW)
        .unwrap_err();
    assert_eq!(refused.term, Term::OperatorSignature);
}

#[test]
fn any_operator_is_accepted_with_consent() {
    let nsm = Nsm::boot();
    let policy = nsm.policy_with(|p| {
        p.operator_key = OperatorTerm::Any;
        p.consent.push(consent::ANY_OPERATOR.to_owned());
    });
    let enclave = nsm.appraise(&Round::new(1));
    assert!(policy.judge(&enclave, &base_model().digest(), NOW).is_ok());
}

#[test]
fn weights_are_released_with_consent() {
    let nsm = Nsm::boot();
    let policy = nsm.policy_with(|p| {
        p.rules = vec![RuleTerm(AggregationRule::WeightedMean)];
        p.release_weights = true;
        p.consent.push(consent::WEIGHTS_RELEASED.to_owned());
    });
    let round = Round::with(1, |t| {
        t.rule = AggregationRule::WeightedMean;
        t.max_weight = 10;
    });
    let enclave = nsm.appraise(&round);
    assert!(policy.judge(&enclave, &base_model().digest(), NOW).is_ok());
}

#[test]
fn a_noise_floor_counts_in_the_updates_units_whatever_the_scale() {
    let nsm = Nsm::boot();
    let judged = |sigma: u64, fractional_bits: u8| {
        let round = Round::with(1, |t| {
            t.fractional_bits = fractional_bits;
            t.noise = Noise::DiscreteGaussian {
                sigma,
                tail: 1 << 20,
            };
        });
        let enclave = nsm.appraise(&round);
        let policy = nsm.policy_with(|p| p.noise_floor = NoiseFloor::Sigma(0.5));
        policy.judge(&enclave, &base_model().digest(), NOW)
    };
    assert!(judged(1 << 15, 16).is_ok());
    assert!(judged((1 << 15) - 1, 16).is_err());
    // The same count of steps is half as much noise at a finer scale.
    assert!(judged(1 << 15, 17).is_err());
}

#[test]
fn a_weakening_without_its_exact_sentence_is_refused() {
    type Weaken = fn(&mut RoundPolicyFile);
    let cases: [(Weaken, &str); 3] = [
        (|_| {}, consent::OPEN_WITHOUT_NOISE),
        (|p| p.release_weights = true, consent::WEIGHTS_RELEASED),
        (
            |p| p.operator_key = OperatorTerm::Any,
            consent::ANY_OPERATOR,
        ),
    ];
    for (weaken, sentence) in cases {
        let mut file = policy_file();
        weaken(&mut file);
        file.consent = consent::ALL
            .iter()
            .filter(|given| **given != sentence)
            .map(|given| (*given).to_owned())
            .collect();
        match file.check() {
            Err(PolicyError::ConsentMissing(missing)) => assert_eq!(missing, sentence),
            other => panic!("{other:?}"),
        }
        file.consent.push(sentence.to_uppercase());
        assert!(matches!(file.check(), Err(PolicyError::UnknownConsent(_))));
        file.consent.pop();
        file.consent.push(sentence.to_owned());
        assert!(file.check().is_ok());
    }
}

#[test]
fn open_admission_with_noise_needs_no_consent() {
    let mut file = policy_file();
    file.consent.clear();
    file.noise_floor = NoiseFloor::Sigma(0.5);
    assert!(file.check().is_ok());
}

#[test]
fn every_privacy_term_is_required() {
    let text = policy_file().to_commented_toml();
    let required = [
        "appraisal_policy",
        "tasks",
        "operator_key",
        "min_cohort",
        "admission",
        "noise_floor",
        "kem_suites",
        "intakes",
        "rules",
        "release_weights",
        "budget",
    ];
    for term in required {
        let without: String = text
            .lines()
            .filter(|line| !line.starts_with(&format!("{term} =")))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_ne!(without, text, "{term}");
        let error = RoundPolicyFile::parse(&without).unwrap_err().to_string();
        assert!(error.contains(term), "{term}: {error}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut file = policy_file();
    for noise in [
        NoiseFloor::None,
        NoiseFloor::Sigma(2.0),
        NoiseFloor::Sigma(0.125),
    ] {
        file.noise_floor = noise;
        let text = file.to_commented_toml();
        assert_eq!(RoundPolicyFile::parse(&text).unwrap(), file, "{text}");
    }
}

#[test]
fn an_unknown_or_misspelt_term_is_refused() {
    let text = policy_file().to_commented_toml();
    for line in ["min_cohrt = 9\n", "unproven_retry = 1\n", "[budgets]\n"] {
        assert!(
            RoundPolicyFile::parse(&format!("{text}{line}")).is_err(),
            "{line}"
        );
    }
    for (good, bad) in [
        ("\"none\"", "\"None\""),
        ("\"open\"", "\"opened\""),
        ("\"x25519\"", "\"rsa\""),
        ("\"stream\"", "\"both\""),
        ("\"mean\"", "\"median\""),
    ] {
        let changed = text.replace(&format!("= {good}"), &format!("= {bad}"));
        let changed = changed.replace(&format!("[{good}]"), &format!("[{bad}]"));
        assert_ne!(changed, text, "{good}");
        assert!(RoundPolicyFile::parse(&changed).is_err(), "{bad}");
    }
}

#[test]
fn a_policy_that_accepts_nothing_or_less_than_the_floor_is_refused() {
    let mut file = policy_file();
    file.min_cohort = 2;
    assert!(matches!(file.check(), Err(PolicyError::UnderFloor(2))));
    type Empty = fn(&mut RoundPolicyFile);
    let empties: [Empty; 4] = [
        |p| p.tasks.clear(),
        |p| p.kem_suites.clear(),
        |p| p.intakes.clear(),
        |p| p.rules.clear(),
    ];
    for empty in empties {
        let mut file = policy_file();
        empty(&mut file);
        assert!(matches!(file.check(), Err(PolicyError::EmptyList(_))));
    }
    let mut file = policy_file();
    file.budget.contributions = 0;
    assert!(matches!(file.check(), Err(PolicyError::NoBudget)));
}

#[test]
fn a_mock_is_asked_for_in_the_policy_and_at_the_call() {
    let nsm = Nsm::boot();
    let policy = nsm.policy();
    assert_eq!(policy.trust(true), Ok(Trust::Mock));
    assert_eq!(policy.trust(false), Err(MockMismatch::FlagMissing));
    let mut file = policy_file();
    file.mock = false;
    assert!(matches!(
        RoundPolicy::new(file, nsm.appraisal()),
        Err(PolicyError::MockDisagrees {
            round_policy: false
        })
    ));
}

#[test]
fn a_real_policy_takes_no_mock_flag_and_no_mocks_evidence() {
    let nsm = Nsm::boot();
    let real = PolicyFile::parse(&format!(
        "root = \"aws-nitro\"\nmax_age_seconds = 300\nclock_skew_seconds = 10\n\
         [[measurement]]\nlabel = \"a\"\npcr0 = \"{0}\"\npcr1 = \"{0}\"\npcr2 = \"{0}\"\n",
        "a0".repeat(48)
    ));
    let real = real.unwrap().into_policy(None).unwrap();
    let mut file = policy_file();
    assert!(matches!(
        RoundPolicy::new(file.clone(), real.clone()),
        Err(PolicyError::MockDisagrees { round_policy: true })
    ));
    file.mock = false;
    let policy = RoundPolicy::new(file, real).unwrap();
    assert_eq!(policy.trust(true), Err(MockMismatch::NotForMock));
    assert_eq!(policy.trust(false), Ok(Trust::AwsNitro));
    let enclave = nsm.appraise(&Round::new(1));
    let refused = policy
        .judge(&enclave, &base_model().digest(), NOW)
        .unwrap_err();
    assert_eq!(refused.term, Term::Trust);
}

#[test]
fn files_are_read_relative_to_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let nsm = Nsm::boot();
    fs::create_dir(folder.path().join("trust")).unwrap();
    nsm.write_appraisal(&folder.path().join("trust"));
    let mut file = policy_file();
    file.appraisal_policy = "trust/appraisal.toml".to_owned();
    let path = folder.path().join("clinic.toml");
    fs::write(&path, file.to_commented_toml()).unwrap();
    let policy = RoundPolicy::load(&path).unwrap();
    assert_eq!(policy.terms(), &file);
    assert_eq!(policy.appraisal(), &nsm.appraisal());
    fs::remove_file(folder.path().join("trust/mock-root.pem")).unwrap();
    let error = RoundPolicy::load(&path).unwrap_err().to_string();
    assert!(error.contains("mock-root.pem"), "{error}");
}
