//! Registry admission: only keys of the registry, each once, and only by their holders.

use sealsum_protocol::label;
use sealsum_protocol::merkle::Tree;
use sealsum_protocol::{Admission, ContributionHeader, Digest, Intake, Refusal, RoundTerms};
use sealsum_testkit::{
    LocalEnclave, ScriptedParent, UncheckedClient, admission, client_signer, registry, terms,
};

fn round(
    enclave: &mut LocalEnclave,
    intake: Intake,
) -> (ScriptedParent, sealsum_protocol::Registry) {
    let members = registry(0..5);
    let terms = RoundTerms {
        admission: admission(&members),
        ..terms(intake)
    };
    (ScriptedParent::open(enclave, terms), members)
}

#[test]
fn members_are_summed_and_no_one_else() {
    for intake in [Intake::Stream, Intake::Presum] {
        let mut enclave = LocalEnclave::new(1);
        let (mut parent, members) = round(&mut enclave, intake);
        for n in 0..3 {
            let contribution = UncheckedClient::new(n)
                .contribute(&parent.binding, &[0.5; 20])
                .signed_by(n, &members);
            parent.relay(&mut enclave, &contribution).unwrap();
        }
        // A Sybil: a key of its own, signed soundly, in no registry of this round.
        let sybil = UncheckedClient::new(9).contribute(&parent.binding, &[1.0; 20]);
        let own = registry([9]);
        let attempts = [
            sybil.clone(),
            sybil.clone().signed_by(9, &own),
            sybil.signed_by(9, &members),
        ];
        for attempt in attempts {
            assert_eq!(
                parent.relay(&mut enclave, &attempt),
                Err(Refusal::Credential)
            );
        }
        parent.close(&mut enclave).unwrap();
        assert_eq!(parent.release(&mut enclave).0, vec![1.5; 20]);
    }
}

#[test]
fn a_key_is_spent_by_its_holder_only_and_never_burned_by_another() {
    let mut enclave = LocalEnclave::new(1);
    let (mut parent, members) = round(&mut enclave, Intake::Presum);
    let mut client = UncheckedClient::new(1);
    let honest = client
        .contribute(&parent.binding, &[0.5; 20])
        .signed_by(1, &members);
    // Under member 1's id and place, but signed by another member, or not at all.
    let mut stolen = UncheckedClient::new(2).contribute(&parent.binding, &[1.0; 20]);
    stolen.header.client = client.id();
    let (index, path) = members.place(&client.id()).unwrap();
    let forged = stolen
        .header
        .clone()
        .with_credential(&client_signer(2), index, path);
    stolen.header = forged;
    // Member 1's genuine credential on what it did not sign.
    let mut grafted = honest.clone();
    grafted.header.sealed[0] ^= 1;
    let mut moved = honest.clone();
    moved.header.credential = None;
    for attempt in [stolen, grafted, moved] {
        assert_eq!(
            parent.relay(&mut enclave, &attempt),
            Err(Refusal::Credential)
        );
    }
    parent.relay(&mut enclave, &honest).unwrap();
    let second = client
        .contribute(&parent.binding, &[0.5; 20])
        .signed_by(1, &members);
    assert_eq!(
        parent.relay(&mut enclave, &second),
        Err(Refusal::SecondContribution)
    );
}

#[test]
fn a_credential_of_one_round_is_none_in_another() {
    let mut enclave = LocalEnclave::new(1);
    let (parent, members) = round(&mut enclave, Intake::Stream);
    let (mut other, _) = round(&mut enclave, Intake::Stream);
    let mut contribution = UncheckedClient::new(1)
        .contribute(&parent.binding, &[0.5; 20])
        .signed_by(1, &members);
    contribution.header.round_id = other.round_id();
    assert_eq!(
        other.relay(&mut enclave, &contribution),
        Err(Refusal::Credential)
    );
}

#[test]
fn a_credential_in_an_open_round_is_no_header_of_it() {
    let mut enclave = LocalEnclave::new(1);
    let mut parent = ScriptedParent::open(&mut enclave, terms(Intake::Stream));
    let contribution = UncheckedClient::new(1)
        .contribute(&parent.binding, &[0.5; 20])
        .signed_by(1, &registry([1]));
    assert_eq!(
        parent.relay(&mut enclave, &contribution),
        Err(Refusal::HeaderShape)
    );
}

/// Of the longest path that a registry can have, a wrong one is a wrong credential; a longer one
/// is no header, and none that the parent would have to fit beside others.
#[test]
fn a_path_longer_than_any_registrys_is_no_header() {
    let mut enclave = LocalEnclave::new(1);
    let (mut parent, _) = round(&mut enclave, Intake::Presum);
    for (hashes, refused) in [(32, Refusal::Credential), (33, Refusal::HeaderShape)] {
        let mut contribution = UncheckedClient::new(1).contribute(&parent.binding, &[0.5; 20]);
        let path = vec![Digest::new([7; 32]); hashes];
        contribution.header = contribution
            .header
            .with_credential(&client_signer(1), 0, path);
        assert_eq!(parent.relay(&mut enclave, &contribution), Err(refused));
    }
}

/// A parent and an operator who have a member's key in the registry twice: the
/// credential is for one place, and the contribution is the same wherever it stands.
#[test]
fn a_credential_can_not_be_moved_to_another_place_of_the_same_key() {
    let tree = Tree(label::REGISTRY_TREE);
    let leaves: Vec<_> = [1, 1, 2, 3]
        .map(|n| tree.leaf(client_signer(n).key().as_bytes()))
        .to_vec();
    let admission = Admission::Registry {
        root: tree.root(&leaves),
        size: 4,
        grant: None,
    };
    let mut enclave = LocalEnclave::new(1);
    let terms = RoundTerms {
        admission,
        ..terms(Intake::Presum)
    };
    let mut parent = ScriptedParent::open(&mut enclave, terms);
    let bare = UncheckedClient::new(1).contribute(&parent.binding, &[0.5; 20]);
    let place = |header: &ContributionHeader, index| {
        let path = tree.path(&leaves, index).unwrap();
        header
            .clone()
            .with_credential(&client_signer(1), index, path)
    };
    let honest = place(&bare.header, 0);
    assert_eq!(honest.digest(), place(&bare.header, 1).digest());
    let mut moved = honest.clone();
    let credential = moved.credential.as_mut().unwrap();
    (credential.index, credential.path) = (1, tree.path(&leaves, 1).unwrap());
    let mut contribution = bare;
    contribution.header = moved;
    assert_eq!(
        parent.relay(&mut enclave, &contribution),
        Err(Refusal::Credential)
    );
    contribution.header = honest;
    assert!(parent.relay(&mut enclave, &contribution).is_ok());
}
