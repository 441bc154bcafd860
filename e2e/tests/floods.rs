//! Floods: whatever a parent sends, however much of it, the enclave's process stays below its
//! ceiling and goes on serving.

use sealsum_e2e::Target;
use sealsum_protocol::{Command, Intake, Refusal, Reply, RingBits, RoundTerms};
use sealsum_testkit::hostile::flood;
use sealsum_testkit::{Link as _, ScriptedParent, presum, stream, terms};

/// What rounds may take together, in MiB.
const ROUNDS: u64 = 64;
/// What the process may have resident beside that: 64 connections of half a MiB, the
/// program, its threads' stacks, and what the allocator keeps.
const BESIDE: u64 = 48;
const MIB: u64 = 1024 * 1024;

fn assert_below_the_ceiling(target: &Target, flood: &str) {
    let peak = target.enclave.peak_bytes();
    let ceiling = (ROUNDS + BESIDE) * MIB;
    assert!(peak < ceiling, "{flood}: {peak} bytes, {ceiling} allowed");
    let Reply::Description(about) = target.link().say(Command::Describe) else {
        panic!("the enclave does not describe itself");
    };
    assert_eq!(about.memory_ceiling, ROUNDS * MIB);
    assert!(about.memory_reserved <= about.memory_ceiling);
}

/// Adversary: a parent with many connections and no end of half uploads, ids, and frames of
/// the largest size.
#[test]
fn i08_no_flood_of_uploads_ids_or_frames_passes_the_ceiling() {
    let target = Target::start(&["--memory-mib", &ROUNDS.to_string()]);
    let address = &target.enclave.address;
    let mut link = target.link();
    flood::boasts(address);
    assert_below_the_ceiling(&target, "boasts");

    flood::largest_frames(&mut link, 200);
    let unfinished = flood::unfinished_frames(address, 40);
    assert_below_the_ceiling(&target, "the largest frames");
    drop(unfinished);

    // Rounds of two blocks and more until there is no room, then half an upload in each.
    let wide = RoundTerms {
        dimension: 300_000,
        ..stream()
    };
    let rounds = flood::rounds(&mut link, &wide);
    assert!((5..40).contains(&rounds.len()), "{}", rounds.len());
    let halves = flood::half_uploads(address, &rounds);
    assert_below_the_ceiling(&target, "half uploads");
    drop(halves);
    for round in &rounds {
        assert!(matches!(round.abort(&mut link), Reply::Aborted(_)));
    }

    let mut round = ScriptedParent::open(&mut link, presum());
    let refusals = flood::registrations(&mut link, &mut round, 4_200);
    let full = Refusal::CohortFull { limit: 10 };
    let opened = refusals.iter().filter(|refusal| **refusal != full).count();
    assert_eq!(
        opened, 4096,
        "ids are remembered up to a limit, then no one new is taken"
    );
    assert_below_the_ceiling(&target, "ids");

    // After all that it serves an honest round.
    let mut honest = ScriptedParent::open(&mut link, stream());
    honest.fill(&mut link, 0..3, 0.25);
    honest.close(&mut link).unwrap();
    assert_eq!(honest.release(&mut link).0, vec![0.75; 20]);
}

/// Adversary: an operator whose rounds promise more than the enclave has, by dimension, by
/// cohort, by number.
#[test]
fn i08_what_rounds_can_ever_need_is_reserved_before_they_open() {
    let target = Target::start(&["--memory-mib", &ROUNDS.to_string()]);
    let mut link = target.link();
    let greedy = [
        RoundTerms {
            dimension: ROUNDS * MIB / 8,
            ..stream()
        },
        RoundTerms {
            max_cohort: 200_000,
            ring_bits: RingBits::new(32).unwrap(),
            ..presum()
        },
    ];
    for terms in &greedy {
        assert!(flood::rounds(&mut link, terms).is_empty());
    }
    for intake in [Intake::Stream, Intake::Presum] {
        let opened = flood::rounds(&mut link, &terms(intake));
        assert!(opened.len() < 64, "{}", opened.len());
        for round in &opened {
            round.abort(&mut link);
        }
    }
    assert_below_the_ceiling(&target, "rounds");
}
