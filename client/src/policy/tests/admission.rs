//! Whom a policy admits.

use sealsum_protocol::{AuthoritySigner, RegistryGrant, UnixMillis};

use super::*;

const SIZE: u64 = 20;
const ROOT: Digest = Digest::new([7; 32]);

fn authority(n: u8) -> AuthoritySigner {
    AuthoritySigner::from_secret(&[n; 32])
}

fn grant() -> RegistryGrant {
    let task = "wards".parse().unwrap();
    RegistryGrant::sign(&authority(4), &task, 3, &ROOT, SIZE, NOW)
}

fn judged(
    wanted: AdmissionTerm,
    grant: Option<RegistryGrant>,
    now: UnixMillis,
) -> Result<(), TermRefused> {
    let nsm = Nsm::boot();
    let round = Round::with(1, |terms| {
        terms.admission = Admission::Registry {
            root: ROOT,
            size: SIZE,
            grant,
        };
    });
    let enclave = nsm.appraise(&round);
    let policy = nsm.policy_with(|file| file.admission = wanted);
    let judged = policy.judge(&enclave, &base_model().digest(), now);
    judged.map(|accepted| {
        let relied_on = matches!(wanted, AdmissionTerm::Authority(_));
        assert_eq!(accepted.grant().is_some(), relied_on);
    })
}

fn term(judged: Result<(), TermRefused>) -> Term {
    judged.unwrap_err().term
}

#[test]
fn a_registry_is_accepted_by_its_root() {
    let by = |wanted| judged(wanted, None, NOW);
    assert!(by(AdmissionTerm::Registry(ROOT)).is_ok());
    let other = AdmissionTerm::Registry(Digest::new([8; 32]));
    assert_eq!(term(by(other)), Term::Admission);
    assert_eq!(term(by(AdmissionTerm::Open)), Term::Admission);
    let without = by(AdmissionTerm::Authority(authority(4).key())).unwrap_err();
    assert_eq!(without.term, Term::Admission);
    assert!(without.offered.contains("without"), "{without}");
}

#[test]
fn a_pinned_root_needs_no_authority_and_asks_none() {
    let other_task = "imaging".parse().unwrap();
    let unsound = RegistryGrant::sign(&authority(4), &other_task, 3, &ROOT, SIZE, NOW);
    assert!(judged(AdmissionTerm::Registry(ROOT), Some(unsound), NOW).is_ok());
}

#[test]
fn a_registry_is_accepted_by_its_authoritys_word_as_long_as_it_holds() {
    let wanted = AdmissionTerm::Authority(authority(4).key());
    assert!(judged(wanted, Some(grant()), NOW).is_ok());
    let late = judged(wanted, Some(grant()), NOW.plus(1));
    assert_eq!(term(late), Term::GrantNotAfter);
    let other = AdmissionTerm::Authority(authority(5).key());
    let refused = judged(other, Some(grant()), NOW).unwrap_err();
    assert_eq!(refused.term, Term::Admission);
    let named = authority(4).key().to_string();
    assert!(refused.offered.contains(&named), "{refused}");
}

#[test]
fn an_authoritys_word_is_for_one_task_root_size_and_epoch() {
    let task = "wards".parse().unwrap();
    let sign = |root: Digest, size| RegistryGrant::sign(&authority(4), &task, 3, &root, size, NOW);
    let other_task = "imaging".parse().unwrap();
    let forged = [
        RegistryGrant::sign(&authority(4), &other_task, 3, &ROOT, SIZE, NOW),
        sign(Digest::new([8; 32]), SIZE),
        sign(ROOT, SIZE + 1),
        RegistryGrant {
            epoch: 4,
            ..grant()
        },
        RegistryGrant {
            not_after: NOW.plus(1),
            ..grant()
        },
        RegistryGrant {
            authority: authority(4).key(),
            ..RegistryGrant::sign(&authority(5), &task, 3, &ROOT, SIZE, NOW)
        },
    ];
    for grant in forged {
        let wanted = AdmissionTerm::Authority(authority(4).key());
        let refused = judged(wanted, Some(grant), NOW);
        assert_eq!(term(refused), Term::GrantSignature);
    }
}

#[test]
fn an_open_round_satisfies_no_registry() {
    let nsm = Nsm::boot();
    let enclave = nsm.appraise(&Round::new(1));
    for wanted in [
        AdmissionTerm::Registry(ROOT),
        AdmissionTerm::Authority(authority(4).key()),
    ] {
        let policy = nsm.policy_with(|file| file.admission = wanted);
        let refused = policy.judge(&enclave, &base_model().digest(), NOW);
        assert_eq!(refused.unwrap_err().term, Term::Admission);
    }
}

#[test]
fn an_admission_reads_back_as_it_is_written() {
    let written = [
        AdmissionTerm::Open,
        AdmissionTerm::Registry(ROOT),
        AdmissionTerm::Authority(authority(4).key()),
    ];
    for term in written {
        assert_eq!(term.to_string().parse(), Ok(term));
    }
    for bad in ["", "opened", "registry", "authority:", "registry:00", "any"] {
        assert!(bad.parse::<AdmissionTerm>().is_err(), "{bad}");
    }
}
