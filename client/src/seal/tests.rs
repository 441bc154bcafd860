use sealsum_attestation::Trust;
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::{
    Admission, AuthoritySigner, ClientId, ClientSigner, ContributionHeader, Registry,
    RegistryGrant, RoundTerms, TaskName,
};
use tempfile::TempDir;

use super::*;
use crate::policy::AdmissionTerm;
use crate::testing::{NOW, Nsm, Round, base_model, identity};
use crate::{Identity, Ledger, RoundPolicyFile, Update};

/// A site before one round, sealing at a time.
struct Scene {
    _folder: TempDir,
    identity: Identity,
    nsm: Nsm,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            identity: identity(folder.path()),
            _folder: folder,
            nsm: Nsm::boot(),
        }
    }

    fn seal(
        &self,
        round: &Round,
        policy: impl FnOnce(&mut RoundPolicyFile),
        member: Option<&Member>,
        now: UnixMillis,
    ) -> Result<ContributionHeader, SealRefused> {
        let mut ledger = Ledger::open(&self.identity, Trust::Mock).unwrap();
        let policy = self.nsm.policy_with(policy);
        let appraised = self.nsm.appraise(round);
        let terms = policy
            .judge(&appraised, &base_model().digest(), NOW)
            .unwrap();
        let seed = RoundingSeed::new([5; 32]);
        let update = Encoding::new(terms.params(), &[1.5; 10], 1, OutOfRange::Clamp, &seed);
        let own = ledger.fingerprint(&Update::from_values(vec![1.5; 10]), 1);
        let debit = ledger.reserve(&terms, &policy, &base_model(), own).unwrap();
        let sealed = seal(&appraised, &terms, debit, update.unwrap(), member, now);
        let header = sealed.map(|sealed| sealed.sealed.header);
        assert_eq!(ledger.used().unwrap(), 0, "nothing is spent by sealing");
        header
    }

    /// This site and three strangers.
    fn registry(&self) -> Registry {
        [1, 2, 3]
            .map(|n| ClientSigner::from_secret(&[n; 32]).key())
            .into_iter()
            .chain([self.identity.client_id()])
            .collect()
    }
}

fn going_by(registry: &Registry) -> Round {
    let admission = Admission::Registry {
        root: registry.root(),
        size: registry.size(),
        grant: None,
    };
    Round::with(1, |terms| terms.admission = admission)
}

fn pinning(registry: &Registry) -> impl FnOnce(&mut RoundPolicyFile) {
    let root = registry.root();
    move |policy| policy.admission = AdmissionTerm::Registry(root)
}

#[test]
fn evidence_is_fresh_at_the_moment_of_sealing_or_nothing_is_sealed() {
    let scene = Scene::new();
    let at = |now| scene.seal(&Round::new(1), |_| {}, None, now).err();
    assert_eq!(at(NOW.plus(300_000)), None);
    assert!(matches!(
        at(NOW.plus(300_001)),
        Some(SealRefused::Stale { .. })
    ));
    // A clock that went back beyond the skew says nothing about freshness either.
    let before = UnixMillis(NOW.0 - 10_001);
    assert!(matches!(at(before), Some(SealRefused::Stale { .. })));
}

#[test]
fn terms_that_were_accepted_for_one_enclave_do_not_seal_for_another() {
    let scene = Scene::new();
    let mut ledger = Ledger::open(&scene.identity, Trust::Mock).unwrap();
    let (_, terms) = scene.nsm.accept(&Round::new(1));
    let (other, _) = scene.nsm.accept(&Round::new(2));
    let seed = RoundingSeed::new([5; 32]);
    let update = Encoding::new(terms.params(), &[1.5; 10], 1, OutOfRange::Clamp, &seed);
    let own = ledger.fingerprint(&Update::from_values(vec![1.5; 10]), 1);
    let policy = scene.nsm.policy();
    let debit = ledger.reserve(&terms, &policy, &base_model(), own).unwrap();
    let refused = seal(&other, &terms, debit, update.unwrap(), None, NOW).err();
    assert!(matches!(refused, Some(SealRefused::OtherRound { .. })));
}

#[test]
fn a_member_seals_with_a_credential_that_the_enclave_takes() {
    let scene = Scene::new();
    let registry = scene.registry();
    let member = scene.identity.member_of(&registry).unwrap();
    let round = going_by(&registry);
    let header = scene
        .seal(&round, pinning(&registry), Some(&member), NOW)
        .unwrap();
    let verified = header.verify_credential(&registry.root(), registry.size());
    assert_eq!(verified, Ok(()));
}

#[test]
fn an_open_round_gets_no_credential_from_a_member_either() {
    let scene = Scene::new();
    let member = scene.identity.member_of(&scene.registry()).unwrap();
    let header = scene.seal(&Round::new(1), |_| {}, Some(&member), NOW);
    assert_eq!(header.unwrap().credential, None);
}

#[test]
fn a_registry_round_is_not_spent_for_nothing() {
    let scene = Scene::new();
    let registry = scene.registry();
    let round = going_by(&registry);
    let root = registry.root();
    let without = scene.seal(&round, pinning(&registry), None, NOW);
    assert_eq!(
        without,
        Err(SealRefused::Credential(CredentialRefused::NoPlace { root }))
    );
    // A place in the registry as it was before somebody joined.
    let mut older = registry.clone();
    older.remove(&ClientSigner::from_secret(&[1; 32]).key());
    let member = scene.identity.member_of(&older).unwrap();
    let refused = scene.seal(&round, pinning(&registry), Some(&member), NOW);
    assert!(matches!(
        refused,
        Err(SealRefused::Credential(CredentialRefused::OtherRegistry { ours, .. }))
            if ours == older.root()
    ));
    // Another identity's place does not fit this ledger's key.
    let other = Scene::new();
    let mut both = registry;
    both.add(other.identity.client_id());
    let theirs = other.identity.member_of(&both).unwrap();
    let refused = scene.seal(&going_by(&both), pinning(&both), Some(&theirs), NOW);
    assert!(matches!(
        refused,
        Err(SealRefused::Credential(CredentialRefused::Unsound(_)))
    ));
}

#[test]
fn a_stranger_has_no_place() {
    let scene = Scene::new();
    let strangers: Registry = [ClientId::new([9; 32])].into_iter().collect();
    assert!(scene.identity.member_of(&strangers).is_none());
}

#[test]
fn a_grant_holds_at_the_moment_of_sealing_or_nothing_is_sealed() {
    let scene = Scene::new();
    let registry = scene.registry();
    let member = scene.identity.member_of(&registry).unwrap();
    let authority = AuthoritySigner::from_secret(&[4; 32]);
    let task: TaskName = "wards".parse().unwrap();
    let (root, size) = (registry.root(), registry.size());
    let grant = RegistryGrant::sign(&authority, &task, 1, &root, size, NOW.plus(1000));
    let round = Round::with(1, |terms: &mut RoundTerms| {
        terms.admission = Admission::Registry {
            root,
            size,
            grant: Some(grant),
        };
    });
    let at = |now| {
        let policy = |policy: &mut RoundPolicyFile| {
            policy.admission = AdmissionTerm::Authority(authority.key());
        };
        scene.seal(&round, policy, Some(&member), now)
    };
    assert!(at(NOW.plus(1000)).is_ok());
    assert!(matches!(
        at(NOW.plus(1001)),
        Err(SealRefused::GrantExpired { .. })
    ));
}
