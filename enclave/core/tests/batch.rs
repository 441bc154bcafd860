//! Many headers at once come to what one after the other comes to, on any number of threads.

use proptest::prelude::*;
use sealsum_protocol::messages::{Contribute, ContributeMany, HEADERS_LIMIT, Status, Verdict};
use sealsum_protocol::{
    Command, ContributionHeader, Digest, KemSuite, Refusal, Registry, Reply, RoundId, RoundTerms,
    UpperNodes,
};
use sealsum_testkit::hostile::Mischief;
use sealsum_testkit::{
    Contribution, Link, LocalEnclave, ScriptedParent, UncheckedClient, admission, client_signer,
    presum, registry, stream,
};

/// What is done about one header. Numbers are clients; there are fewer than headers, so they meet.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Honest(u64),
    /// Another contribution of the same client.
    Again(u64),
    /// The second's, under the first's id.
    Copied(u64, u64),
    /// The first's, with the second's encapsulated key.
    KeyOf(u64, u64),
    Garbage(u64),
    OverWeight(u64),
    Short(u64),
    /// With a credential of a registry of its own, or where none belongs.
    Stranger(u64),
    /// Signed by another member.
    Forged(u64),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let client = || 0_u64..10;
    prop_oneof![
        8 => client().prop_map(Deed::Honest),
        2 => client().prop_map(Deed::Again),
        1 => (client(), client()).prop_map(|(a, b)| Deed::Copied(a, b)),
        1 => (client(), client()).prop_map(|(a, b)| Deed::KeyOf(a, b)),
        1 => client().prop_map(Deed::Garbage),
        1 => client().prop_map(Deed::OverWeight),
        1 => client().prop_map(Deed::Short),
        1 => client().prop_map(Deed::Stranger),
        1 => client().prop_map(Deed::Forged),
    ]
}

fn done(deed: Deed, parent: &ScriptedParent, members: Option<&Registry>) -> Contribution {
    let by = |n: u64| UncheckedClient::new(n).contribute(&parent.binding, &[n as f64 / 16.0; 20]);
    let signed = |contribution: Contribution, n: u64| match members {
        Some(members) => contribution.signed_by(n, members),
        None => contribution,
    };
    match deed {
        Deed::Honest(n) => signed(by(n), n),
        Deed::Again(n) => {
            let mut other = UncheckedClient::with_randomness(n, 1_000 + n);
            signed(other.contribute(&parent.binding, &[0.5; 20]), n)
        }
        Deed::Copied(n, from) => signed(by(from).copied_by(n), n),
        Deed::KeyOf(n, from) => signed(by(n).with_key_of(&by(from)), n),
        Deed::Garbage(n) => signed(Mischief::Garbage.by(n, &parent.binding), n),
        Deed::OverWeight(n) => signed(Mischief::OverWeight.by(n, &parent.binding), n),
        Deed::Short(n) => {
            let mut short = by(n);
            short.header.sealed.pop();
            signed(short, n)
        }
        Deed::Stranger(n) => by(n).signed_by(n, &registry([n])),
        Deed::Forged(n) => {
            let mut forged = signed(by(n), n);
            if let Some(credential) = forged.header.credential.take() {
                let signer = client_signer(n + 1);
                let (index, path) = (credential.index, credential.path);
                forged.header = forged.header.with_credential(&signer, index, path);
            }
            forged
        }
    }
}

fn many(round_id: RoundId, headers: Vec<ContributionHeader>) -> Command {
    let headers = headers.into_iter().map(Into::into).collect();
    Command::ContributeMany(Box::new(ContributeMany { round_id, headers }))
}

fn verdicts(link: &mut impl Link, round_id: RoundId, batch: &[Contribution]) -> Vec<Verdict> {
    let headers = batch.iter().map(|one| one.header.clone()).collect();
    match link.say(many(round_id, headers)) {
        Reply::Verdicts(verdicts) => verdicts,
        other => panic!("no verdicts: {other:?}"),
    }
}

fn one_by_one(link: &mut impl Link, batch: &[Contribution]) -> Vec<Verdict> {
    let each = batch.iter().map(|one| {
        let header = one.header.clone();
        match link.say(Command::Contribute(Box::new(Contribute { header }))) {
            Reply::Accepted(acceptance) => Verdict::Accepted(acceptance.signature()),
            Reply::Refused(refusal) => Verdict::Refused(refusal),
            other => panic!("no verdict: {other:?}"),
        }
    });
    each.collect()
}

fn status(link: &mut impl Link, round_id: RoundId) -> Reply {
    link.say(Command::Status(Status { round_id }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn many_at_once_is_one_after_the_other(
        deeds in prop::collection::vec(any_deed(), 1..48), cuts in prop::collection::vec(1..=HEADERS_LIMIT, 48),
        threads in 1_usize..=3, max_cohort in 3_u32..=8, closed_group: bool, short_paths: bool,
        kem in prop_oneof![7 => Just(KemSuite::X25519), 1 => Just(KemSuite::XWing)],
    ) {
        let members = closed_group.then(|| registry(0..8));
        let mut terms = RoundTerms { kem, max_cohort, ..presum() };
        if let Some(members) = &members {
            terms.admission = admission(members);
        }
        // Equal seeds give equal keys, so that the same headers are sealed to both.
        let mut together = LocalEnclave::with_threads(1, threads);
        let mut apart = LocalEnclave::new(1);
        let mut shown = UpperNodes::of(&terms.admission);
        let mut parent = ScriptedParent::open(&mut together, terms.clone());
        let twin = ScriptedParent::open(&mut apart, terms);
        let round_id = parent.round_id();
        prop_assert_eq!(round_id, twin.round_id());

        let all: Vec<_> = deeds.iter().map(|deed| done(*deed, &parent, members.as_ref())).collect();
        let mut rest = all.as_slice();
        for cut in cuts {
            let (batch, later) = rest.split_at(cut.min(rest.len()));
            if batch.is_empty() {
                break;
            }
            rest = later;
            // Of what earlier batches showed the enclave, nothing is said again.
            let mut told = batch.to_vec();
            for credential in told.iter_mut().filter_map(|one| one.header.credential.as_mut()).filter(|_| short_paths) {
                shown.shorten(credential);
            }
            let said = verdicts(&mut together, round_id, &told);
            prop_assert_eq!(&said, &one_by_one(&mut apart, batch));
            prop_assert_eq!(status(&mut together, round_id), status(&mut apart, round_id));
            for (contribution, verdict) in batch.iter().zip(said) {
                let known = parent.accepted.iter().any(|other| other.header.client == contribution.header.client);
                if matches!(verdict, Verdict::Accepted(_)) && !known {
                    contribution.header.credential.iter().for_each(|verified| shown.learn(verified));
                    parent.accepted.push(contribution.clone());
                }
            }
        }
        let closed = parent.close(&mut together);
        prop_assert_eq!(closed, parent.close(&mut apart));
        if closed.is_ok() {
            prop_assert_eq!(parent.release(&mut together), parent.release(&mut apart));
        }
    }
}

/// Adversary: a parent that leaves out of a path what nobody has shown, or what another round has, or
/// what only a stranger's path has; and a stranger under whose path the enclave adds what it knows.
#[test]
fn a_path_may_lack_what_verified_ones_have_shown_and_nothing_else() {
    let mut enclave = LocalEnclave::new(1);
    let members = registry(0..8);
    let terms = RoundTerms {
        admission: admission(&members),
        ..presum()
    };
    let parent = ScriptedParent::open(&mut enclave, terms.clone());
    let other = ScriptedParent::open(
        &mut enclave,
        RoundTerms {
            round_number: 2,
            ..terms
        },
    );
    let by = |parent: &ScriptedParent, n| done(Deed::Honest(n), parent, Some(&members));
    let with_path_of = |mut one: Contribution, hashes: usize| {
        one.header
            .credential
            .as_mut()
            .unwrap()
            .path
            .truncate(hashes);
        one
    };
    let mut say = |parent: &ScriptedParent, one: Contribution| {
        let said = verdicts(&mut enclave, parent.round_id(), &[one]);
        match said.as_slice() {
            [Verdict::Accepted(_)] => "in",
            [Verdict::Refused(refusal)] => refusal.code(),
            _ => panic!("{said:?}"),
        }
    };
    assert_eq!(
        say(&parent, with_path_of(by(&parent, 0), 2)),
        "credential",
        "shown by nobody"
    );
    // A stranger's path of the same length shows nothing, since it leads nowhere.
    let stranger = by(&parent, 9).signed_by(9, &registry((0..7).chain([9])));
    assert_eq!(say(&parent, stranger), "credential");
    assert_eq!(say(&parent, with_path_of(by(&parent, 0), 2)), "credential");

    assert_eq!(say(&parent, by(&parent, 0)), "in");
    let place = |n| members.place(&client_signer(n).key()).unwrap().0;
    let beside = (1..8).find(|n| place(*n) == place(0) ^ 1).unwrap();
    // What the enclave adds is verified with the rest: it lets nobody in, and who is refused
    // shows nothing.
    let mut guest = by(&parent, 9).signed_by(9, &registry([9]));
    for hashes in 0..=3 {
        let path = vec![Digest::new([7; 32]); hashes];
        guest.header = guest
            .header
            .with_credential(&client_signer(9), place(beside), path);
        assert_eq!(say(&parent, guest.clone()), "credential");
    }
    assert_eq!(say(&parent, with_path_of(by(&parent, beside), 1)), "in");
    let opposite = (1..8).find(|n| place(*n) & 4 != place(0) & 4).unwrap();
    assert_eq!(
        say(&parent, with_path_of(by(&parent, opposite), 2)),
        "credential",
        "its sibling is shown, not its half"
    );
    assert_eq!(
        say(&other, with_path_of(by(&other, beside), 1)),
        "credential",
        "in the other round"
    );
    // One header alone has its whole path.
    let Reply::Refused(refusal) = enclave.say(Command::Contribute(Box::new(Contribute {
        header: with_path_of(by(&parent, opposite), 1).header,
    }))) else {
        panic!("a path without its end was taken")
    };
    assert_eq!(refusal, Refusal::Credential);
}

/// Adversary: a parent that sends in one batch what it must not have twice.
#[test]
fn what_an_earlier_header_of_the_batch_took_is_gone_for_the_later() {
    for threads in 1..=3 {
        let mut enclave = LocalEnclave::with_threads(1, threads);
        let terms = RoundTerms {
            max_cohort: 3,
            ..presum()
        };
        let parent = ScriptedParent::open(&mut enclave, terms);
        let make = |deed| done(deed, &parent, None);
        let batch = [
            make(Deed::Honest(0)),
            make(Deed::Honest(0)),
            make(Deed::Again(0)),
            make(Deed::KeyOf(1, 0)),
            make(Deed::Garbage(2)),
            make(Deed::Honest(2)),
            make(Deed::Honest(3)),
            make(Deed::Honest(1)),
            make(Deed::Honest(4)),
        ];
        let said = verdicts(&mut enclave, parent.round_id(), &batch);
        let codes: Vec<_> = said
            .iter()
            .map(|verdict| match verdict {
                Verdict::Accepted(_) => "in",
                Verdict::Refused(refusal) => refusal.code(),
            })
            .collect();
        let expected = [
            "in",
            "in",
            "second_contribution",
            "repeated_key",
            "does_not_open",
            "burned",
            "in",
            "in",
            "cohort_full",
        ];
        assert_eq!(codes, expected, "{threads} threads");
        assert_eq!(said.first(), said.get(1), "the same acceptance again");
    }
}

/// Adversary: a parent that sends batches which no honest one makes. Nothing of them is taken.
#[test]
fn a_batch_that_is_none_is_refused_whole() {
    let mut enclave = LocalEnclave::with_threads(1, 2);
    let parent = ScriptedParent::open(&mut enclave, presum());
    let round_id = parent.round_id();
    let sound = UncheckedClient::new(0).contribute(&parent.binding, &[0.5; 20]);
    let headers = |count| vec![sound.header.clone(); count];
    for count in [0, HEADERS_LIMIT + 1] {
        let refusal = enclave.refused(many(round_id, headers(count)));
        assert_eq!(refusal, Refusal::Malformed);
    }
    let (reply, _) = enclave.call(many(round_id, headers(1)), &[1]);
    assert_eq!(
        reply,
        Reply::Refused(Refusal::Malformed),
        "a body beside it"
    );
    let Reply::Status(status) = status(&mut enclave, round_id) else {
        panic!("no status");
    };
    assert_eq!(status.contributions, 0);
    // Nobody was burned either, and the limit itself is a batch.
    let whole = vec![sound.clone(); HEADERS_LIMIT];
    for verdict in verdicts(&mut enclave, round_id, &whole) {
        let acceptance = verdict.of(&sound.header).unwrap();
        assert!(
            acceptance
                .verify(&parent.binding.receipt_key, &round_id)
                .is_ok()
        );
    }
}

/// Adversary: a parent that brings one round's header in a batch of another's.
#[test]
fn a_header_of_another_round_does_not_open_in_this_ones_batch() {
    let mut enclave = LocalEnclave::with_threads(1, 2);
    let parent = ScriptedParent::open(&mut enclave, presum());
    let other = ScriptedParent::open(&mut enclave, presum());
    let make = |parent: &ScriptedParent, n| {
        UncheckedClient::new(n).contribute(&parent.binding, &[0.5; 20])
    };
    let batch = [make(&parent, 0), make(&other, 1), make(&parent, 2)];
    let said = verdicts(&mut enclave, parent.round_id(), &batch);
    assert_eq!(said.get(1), Some(&Verdict::Refused(Refusal::DoesNotOpen)));
    let accepted = said
        .iter()
        .filter(|verdict| matches!(verdict, Verdict::Accepted(_)));
    assert_eq!(accepted.count(), 2);
    // In its own round it is as good as before.
    let said = verdicts(&mut enclave, other.round_id(), &batch[1..2]);
    assert!(matches!(said[..], [Verdict::Accepted(_)]), "{said:?}");
}

#[test]
fn a_stream_round_takes_no_batches() {
    let mut enclave = LocalEnclave::with_threads(1, 2);
    let parent = ScriptedParent::open(&mut enclave, stream());
    let header = UncheckedClient::new(0)
        .contribute(&parent.binding, &[0.5; 20])
        .header;
    let command = many(parent.round_id(), vec![header.clone()]);
    assert_eq!(enclave.refused(command), Refusal::WrongIntake);
    let said = enclave.say(Command::Contribute(Box::new(Contribute { header })));
    assert!(matches!(said, Reply::Staging(_)), "{said:?}");
}
