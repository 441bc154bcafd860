//! What has ended is erased: the enclave's whole writable memory, freed or not, searched for
//! seeds and updates that the test knows (I3, I9, I10).
//!
//! Each search has its twin: what must still be there is found by the same search.

use sealsum_e2e::{MemoryImage, Target};
use sealsum_protocol::messages::{Close, Contribute, ContributeMany, HEADERS_LIMIT, Verdict};
use sealsum_protocol::{Command, KemSuite, Refusal, Reply, RoundTerms};
use sealsum_testkit::{
    Contribution, KnownSecrets, Link as _, ScriptedParent, SocketLink, UncheckedClient,
    known_contribution, presum, stream,
};

/// A contribution and what nobody may find of it.
struct Known {
    contribution: Contribution,
    secrets: KnownSecrets,
}

fn known(parent: &ScriptedParent, n: u64, value: f32) -> Known {
    let mut secrets = KnownSecrets::default();
    let contribution = known_contribution(&parent.binding, n, value, &mut secrets);
    Known {
        contribution,
        secrets,
    }
}

/// Which secret of each is in the enclave's memory now.
fn found(target: &Target, of: &[Known]) -> Vec<Option<String>> {
    let memory = MemoryImage::of(target.enclave.pid());
    of.iter()
        .map(|known| {
            let mut found = memory.runs().filter_map(|run| known.secrets.found_in(run));
            found.next().map(str::to_owned)
        })
        .collect()
}

fn assert_erased(target: &Target, of: &[Known], when: &str) {
    for secret in found(target, of) {
        assert_eq!(secret, None, "{when}");
    }
}

fn assert_held(target: &Target, of: &[Known], when: &str) {
    for secret in found(target, of) {
        let secret = secret.unwrap_or_else(|| panic!("the search misses a seed {when}"));
        assert!(secret.contains("mask seed"), "{secret} {when}");
    }
}

fn begin(link: &mut SocketLink, known: &Known) {
    let header = known.contribution.header.clone();
    let reply = link.say(Command::Contribute(Box::new(Contribute { header })));
    assert!(matches!(reply, Reply::Staging(_)), "{reply:?}");
}

/// Adversary: whoever reads the enclave's memory after a `presum` round has closed, has
/// released, or was aborted.
#[test]
fn i03_seeds_are_gone_when_the_round_no_longer_needs_them() {
    for kem in [KemSuite::X25519, KemSuite::XWing] {
        seeds_go_with_their_round(RoundTerms { kem, ..presum() });
    }
}

fn seeds_go_with_their_round(terms: RoundTerms) {
    let target = Target::start(&[]);
    let mut link = target.link();
    let mut parent = ScriptedParent::open(&mut link, terms.clone());
    let all: Vec<_> = TELLING
        .into_iter()
        .zip(0..)
        .map(|(value, n)| known(&parent, n, value))
        .collect();
    for known in &all {
        parent.relay(&mut link, &known.contribution).unwrap();
    }
    assert_held(&target, &all, "while collecting");

    let excluded = parent.accepted.remove(0).header.client;
    let close = Close {
        excluded: vec![excluded],
        ..parent.honest_close()
    };
    assert!(matches!(link.say(Command::Close(close)), Reply::Closed(_)));
    let (out, cohort) = all.split_at(1);
    assert_erased(&target, out, "of an excluded client, after Close");
    assert_held(&target, cohort, "between Close and release");

    parent.release(&mut link);
    assert_erased(&target, &all, "after the release");

    let mut aborted = ScriptedParent::open(&mut link, terms);
    let more = [known(&aborted, 7, TELLING[0])];
    aborted.relay(&mut link, &more[0].contribution).unwrap();
    assert_held(&target, &more, "before the abort");
    assert!(matches!(aborted.abort(&mut link), Reply::Aborted(_)));
    assert_erased(&target, &more, "after the abort");
}

/// Adversary: whoever reads the enclave's memory after many headers came at once, of which some
/// were opened for nothing, and after masks were taken off on several threads.
#[test]
fn i03_seeds_that_threads_opened_or_used_are_gone() {
    for kem in [KemSuite::X25519, KemSuite::XWing] {
        seeds_go_with_the_threads_that_held_them(RoundTerms { kem, ..presum() });
    }
}

fn seeds_go_with_the_threads_that_held_them(terms: RoundTerms) {
    let target = Target::start(&[]);
    let mut link = target.link();
    // With so many elements and clients, a block is unmasked on two threads if there are.
    let large = RoundTerms {
        dimension: 16_384,
        max_cohort: 72,
        ..terms
    };
    let mut parent = ScriptedParent::open(&mut link, large);
    let crowd: Vec<_> = (100..166)
        .map(|n| UncheckedClient::new(n).contribute(&parent.binding, &vec![0.25; 16_384]))
        .collect();
    for some in crowd.chunks(HEADERS_LIMIT) {
        let verdicts = contribute_many(&mut link, &mut parent, some);
        assert!(verdicts.iter().all(is_in), "{verdicts:?}");
    }
    // There is room for six more, and twelve come, all of which are opened.
    let all: Vec<_> = (0_u8..12)
        .map(|n| known(&parent, n.into(), 0.123_456_79 + f32::from(n) / 16.0))
        .collect();
    let headers: Vec<_> = all.iter().map(|known| known.contribution.clone()).collect();
    let verdicts = contribute_many(&mut link, &mut parent, &headers);
    let (taken, late) = all.split_at(6);
    for (place, verdict) in verdicts.iter().enumerate() {
        assert_eq!(is_in(verdict), place < 6, "{verdict:?}");
    }
    assert_held(&target, taken, "of those who are in");
    assert_erased(&target, late, "of those who came late");

    parent.close(&mut link).unwrap();
    parent.release(&mut link);
    assert_erased(&target, &all, "after the release");
}

fn contribute_many(
    link: &mut SocketLink,
    parent: &mut ScriptedParent,
    contributions: &[Contribution],
) -> Vec<Verdict> {
    let many = ContributeMany {
        round_id: parent.round_id(),
        headers: contributions
            .iter()
            .map(|one| one.header.clone().into())
            .collect(),
    };
    let Reply::Verdicts(verdicts) = link.say(Command::ContributeMany(Box::new(many))) else {
        panic!("no verdicts");
    };
    let taken = contributions.iter().zip(&verdicts);
    let taken = taken.filter(|(_, verdict)| is_in(verdict));
    parent.accepted.extend(taken.map(|(one, _)| one.clone()));
    verdicts
}

fn is_in(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accepted(_))
}

/// Adversary: whoever reads the enclave's memory after updates were added, refused or cut off.
#[test]
fn i09_an_update_is_gone_when_it_is_added_refused_or_cut_off() {
    for kem in [KemSuite::X25519, KemSuite::XWing] {
        updates_go_with_their_contribution(RoundTerms { kem, ..stream() });
    }
}

fn updates_go_with_their_contribution(terms: RoundTerms) {
    let target = Target::start(&[]);
    let mut link = target.link();
    let bounded = RoundTerms {
        l2_bound: Some(4096),
        ..terms
    };
    let mut parent = ScriptedParent::open(&mut link, bounded);
    // The sum is nobody's update from here on.
    let other = UncheckedClient::new(100).contribute(&parent.binding, &[0.125; 20]);
    parent.relay(&mut link, &other).unwrap();

    let added = [known(&parent, 1, 0.123_456_79)];
    begin(&mut link, &added[0]);
    assert_held(&target, &added, "while it is being staged");
    parent.relay(&mut link, &added[0].contribution).unwrap();
    assert_erased(&target, &added, "after it was added");

    let mut falsified = [known(&parent, 2, -0.131_415_93)];
    falsified[0].contribution.body[3] ^= 1;
    let refused = parent.relay(&mut link, &falsified[0].contribution);
    assert!(refused.is_err(), "{refused:?}");
    assert_erased(&target, &falsified, "after it was refused");

    let cut = [known(&parent, 3, 0.171_828_17)];
    let mut connection = target.link();
    begin(&mut connection, &cut[0]);
    assert_held(&target, &cut, "before the connection is cut");
    drop(connection);
    let mut waiting = known(&parent, 4, 0.157_721_57);
    // The place is free again as soon as the enclave has seen the end.
    while let Err(refusal) = parent.relay(&mut link, &waiting.contribution) {
        assert_eq!(refusal, Refusal::Busy);
    }
    assert_erased(&target, &cut, "after its connection was cut");
    waiting.contribution.body.clear();
    assert_erased(&target, &[waiting], "after it was added");
}

/// Coordinates with seven telling digits.
const TELLING: [f32; 4] = [0.123_456_79, -0.314_159_27, 0.271_828_17, 0.577_215_7];
