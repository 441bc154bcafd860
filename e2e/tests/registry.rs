//! Registry admission between real processes: who is counted, whose word for it counts, and
//! what a parent can do about either.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sealsum_e2e::{Hospital, Lab, LyingParent, RoundRequest, read_npy, say, wire};
use sealsum_protocol::canonical::encode;
use sealsum_protocol::{ClientId, Digest, RegistryGrant, TaskName, UnixMillis};
use sealsum_testkit::hostile::lies;
use sealsum_testkit::{UncheckedClient, admission, client_signer, registry};

/// A lab with a registry of three hospitals, kept by an authority.
struct Consortium {
    lab: Lab,
    members: Vec<Hospital>,
    sites: String,
    root: String,
}

impl Consortium {
    /// Hospitals a, b and c; their policies pin the authority, or else the registry's root.
    fn found(pin_authority: bool) -> Self {
        let lab = Lab::start();
        let sites = lab.file("sites.txt");
        let mut members = ["a", "b", "c"].map(|name| lab.hospital(name));
        let mut new = vec!["registry", "new", &sites];
        for member in &members {
            new.extend(["--identity", &member.identity]);
        }
        let root = say(&new).ok()["root"].as_str().unwrap().to_owned();
        let authority = lab.file("authority.key");
        let key = say(&["registry", "authority", "new", &authority]).ok();
        let admission = if pin_authority {
            format!("authority:{}", key["authority_key"].as_str().unwrap())
        } else {
            format!("registry:{root}")
        };
        for member in &mut members {
            member.write_policy(&lab, &["--admission", &admission]);
            member.registry = Some(sites.clone());
        }
        Self {
            lab,
            members: members.into(),
            sites,
            root,
        }
    }

    /// The authority's grant for the registry as it is now.
    fn grant(&self, epoch: u64, not_after: &str) -> String {
        let out = self.lab.file(&format!("{epoch}.grant"));
        let authority = self.lab.file("authority.key");
        let epoch = epoch.to_string();
        let grant = [
            "registry",
            "grant",
            "--authority",
            &authority,
            "--registry",
            &self.sites,
            "--task",
            "digits",
            "--epoch",
            &epoch,
            "--not-after",
            not_after,
            "--out",
            &out,
        ];
        let _ = say(&grant).ok();
        out
    }

    fn request(&self, grant: Option<String>) -> RoundRequest {
        RoundRequest {
            admission: self.sites.clone(),
            grant,
            ..self.lab.request()
        }
    }
}

/// Adversary: somebody who is many. Ids of its own, signed soundly, do not count towards the
/// minimum, whether with a registry of its own making or a member's place.
#[test]
fn a_sybil_is_refused_by_the_enclave_and_members_are_summed() {
    let consortium = Consortium::found(false);
    let round_id = consortium.lab.open(&consortium.request(None));
    let binding = wire::offer(&consortium.lab.parent.url, &round_id).binding;
    for n in 0..3 {
        let mut sybil = UncheckedClient::new(n);
        let unsigned = sybil.contribute(&binding, &[1.0; 20]);
        let signed = unsigned.clone().signed_by(n, &registry(0..3));
        for attempt in [unsigned, signed] {
            let answer = wire::put(&consortium.lab.parent.url, &attempt);
            assert_eq!(answer.code(), "credential");
        }
    }
    let update = consortium.lab.numbers("u.npy", &[0.25; 20]);
    for member in &consortium.members {
        let said = member.contribute(&consortium.lab.parent.url, &round_id, &update);
        assert_eq!(said.ok()["resent"], false);
    }
    let closed = consortium.lab.close(&round_id).ok();
    assert_eq!(closed["cohort_size"], 3);
    let out = consortium.lab.file("out.npy");
    let member = &consortium.members[0];
    let _ = member
        .collect(&consortium.lab.parent.url, &round_id, &out)
        .ok();
    assert_eq!(read_npy(out.as_ref()), vec![0.25; 20]);
}

/// Adversary: somebody who contributes under a member's id before the member does. Under
/// open admission that burns the id; here it is not even staged.
#[test]
fn a_members_id_is_not_to_be_had_without_its_key() {
    let consortium = Consortium::found(false);
    let round_id = consortium.lab.open(&consortium.request(None));
    let binding = wire::offer(&consortium.lab.parent.url, &round_id).binding;
    let member = &consortium.members[0];
    let id = say(&["identity", "show", &member.identity]).ok();
    let id: ClientId = id["client_id"].as_str().unwrap().parse().unwrap();
    let mut stolen = UncheckedClient::new(1).contribute(&binding, &[1.0; 20]);
    stolen.header.client = id;
    stolen.header = stolen
        .header
        .with_credential(&client_signer(1), 0, Vec::new());
    let answer = wire::put(&consortium.lab.parent.url, &stolen);
    assert_eq!(answer.code(), "credential");
    let update = consortium.lab.numbers("u.npy", &[0.25; 20]);
    let said = member.contribute(&consortium.lab.parent.url, &round_id, &update);
    assert_eq!(said.ok()["trust"], "mock");
}

/// A data holder that is not in the registry, or has an old copy of it, spends nothing.
#[test]
fn a_stranger_and_an_old_registry_are_refused_before_anything_is_spent() {
    let consortium = Consortium::found(false);
    let lab = &consortium.lab;
    let round_id = lab.open(&consortium.request(None));
    let update = lab.numbers("u.npy", &[0.25; 20]);
    let pinned = format!("registry:{}", consortium.root);
    let mut stranger = lab.hospital_with("stranger", &["--admission", &pinned]);
    let proxy = LyingParent::before(&lab.parent.url);
    let refused = |stranger: &Hospital| stranger.contribute(&proxy.url, &round_id, &update);
    assert_eq!(refused(&stranger).refused(1).0, "no_credential");
    stranger.registry = Some(consortium.sites.clone());
    assert_eq!(refused(&stranger).refused(2).0, "not_in_registry");
    let own = lab.file("own.txt");
    let _ = say(&["registry", "new", &own, "--identity", &stranger.identity]).ok();
    stranger.registry = Some(own);
    assert_eq!(refused(&stranger).refused(1).0, "other_registry");
    assert!(proxy.uploads().is_empty());
    let ledger = stranger.ledger().ok();
    assert_eq!(ledger["spent"], 0);
    assert_eq!(ledger["records"], serde_json::json!([]));
}

/// Adversary: a parent and an operator who go back to the registry as it was before a key was
/// removed.
#[test]
fn a_registry_that_was_replaced_is_refused_by_who_has_seen_the_later_one() {
    let consortium = Consortium::found(true);
    let lab = &consortium.lab;
    let member = &consortium.members[0];
    let update = lab.numbers("u.npy", &[0.25; 20]);
    let old = consortium.grant(1, "30");
    let new = consortium.grant(2, "30");
    let first = lab.open(&consortium.request(Some(new)));
    let _ = member.contribute(&lab.parent.url, &first, &update).ok();
    let other_base = lab.numbers("base2.npy", &[0.75; 20]);
    let second = lab.open(&RoundRequest {
        number: 2,
        base_model: other_base.clone().into(),
        ..consortium.request(Some(old))
    });
    let contribute = |member: &Hospital| {
        let member = Hospital {
            name: member.name.clone(),
            identity: member.identity.clone(),
            policy: member.policy.clone(),
            base_model: other_base.clone(),
            registry: member.registry.clone(),
        };
        member.contribute(&lab.parent.url, &second, &update)
    };
    let (code, detail) = contribute(member).refused(1);
    assert_eq!(code, "old_epoch", "{detail}");
    // Who has seen no later one has nothing to hold against it.
    assert_eq!(contribute(&consortium.members[1]).ok()["resent"], false);
}

/// Adversary: an operator that goes on with a grant that has run out, or has none.
#[test]
fn an_authoritys_word_is_needed_and_ends() {
    let consortium = Consortium::found(true);
    let lab = &consortium.lab;
    let member = &consortium.members[0];
    let update = lab.numbers("u.npy", &[0.25; 20]);
    let bare = lab.open(&consortium.request(None));
    let said = member.contribute(&lab.parent.url, &bare, &update);
    assert_eq!(said.json["error"]["term"], "admission");
    assert_eq!(said.refused(1).0, "term_refused");

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ends = UnixMillis(now.as_millis() as u64 + 1500);
    let authority = lab.file("short.grant");
    let root: Digest = consortium.root.parse().unwrap();
    let task: TaskName = "digits".parse().unwrap();
    let grant = RegistryGrant::sign(&short_lived(&consortium), &task, 1, &root, 3, ends);
    std::fs::write(&authority, encode(&grant)).unwrap();
    let round_id = lab.open(&consortium.request(Some(authority)));
    thread::sleep(Duration::from_millis(1600));
    let said = member.contribute(&lab.parent.url, &round_id, &update);
    assert_eq!(said.json["error"]["term"], "grant_not_after");
    assert_eq!(said.refused(1).0, "term_refused");
}

/// The authority's key, read from its file.
fn short_lived(consortium: &Consortium) -> sealsum_protocol::AuthoritySigner {
    let text = std::fs::read_to_string(consortium.lab.file("authority.key")).unwrap();
    let hex = text.lines().nth(1).unwrap().strip_prefix("seed ").unwrap();
    let seed: Digest = hex.parse().unwrap();
    sealsum_protocol::AuthoritySigner::from_secret(seed.as_bytes())
}

/// Adversary: a parent that shows a member another registry than the enclave goes by, to have
/// it among the parent's own keys; signed by an operator of the parent's or not at all.
#[test]
fn a_registry_that_the_parent_swaps_is_not_what_the_evidence_vouches_for() {
    let consortium = Consortium::found(false);
    let lab = &consortium.lab;
    let round_id = lab.open(&consortium.request(None));
    let proxy = LyingParent::before(&lab.parent.url);
    let member = &consortium.members[0];
    let update = lab.numbers("u.npy", &[0.25; 20]);
    proxy.lie_in(
        "/offer",
        lies::terms_of_its_own(|terms| terms.admission = admission(&registry(0..9))),
    );
    let said = member.contribute(&proxy.url, &round_id, &update);
    assert_eq!(said.rejection(), "wrong-binding");
    assert!(proxy.uploads().is_empty());
    proxy.be_honest();
    let _ = member.contribute(&proxy.url, &round_id, &update).ok();
}
