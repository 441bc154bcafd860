//! What processes can't show, in a seeded simulation of disk, wire and time: torn writes, syncs
//! that were none, frames that are held and heard late, and a power cut at any moment between.
//!
//! The parent is the shipped library on a disk in memory, before a real enclave core; time is
//! virtual. Seeds that once failed are in `seeds.txt` and are played first.

mod disk;
mod people;
mod play;
mod weather;
mod wire;

use play::{Played, play};
use weather::Kind;

/// Plays seeds of a kind; gives what they came to together.
fn play_all(kind: Kind, seeds: impl IntoIterator<Item = u64>) -> Played {
    let mut all = Played::default();
    for seed in seeds {
        let played = play(kind, seed);
        let played = played.unwrap_or_else(|broken| {
            panic!("{kind:?} {seed}: {broken}; keep the line in sim/tests/cuts/seeds.txt")
        });
        all.lives += played.lives;
        all.released += played.released;
        all.aborted += played.aborted;
        all.acknowledged += played.acknowledged;
        all.refused_for_space += played.refused_for_space;
        all.forgotten += played.forgotten;
    }
    all
}

/// More of them: `SEALSUM_CUT_SEEDS=1000..2000 cargo test -p sealsum-sim --test cuts`.
fn seeds() -> std::ops::Range<u64> {
    let given = std::env::var("SEALSUM_CUT_SEEDS").unwrap_or_default();
    match given.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => 0..40,
    }
}

#[test]
fn seeds_that_once_failed_hold() {
    for line in include_str!("seeds.txt").lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some((kind, seed)) = line.split_once(' ') else {
            continue;
        };
        let kind = match kind {
            "Sound" => Kind::Sound,
            "Broken" => Kind::Broken,
            other => panic!("seeds.txt: no kind {other}"),
        };
        play_all(kind, [seed.trim().parse().unwrap()]);
    }
}

#[test]
fn cut_anywhere_on_a_sound_disk_nothing_acknowledged_is_lost() {
    let all = play_all(Kind::Sound, seeds());
    eprintln!("{all:?}");
    assert!(all.lives > 2 * seeds().count() as u64, "{all:?}");
    assert!(all.released > 0 && all.aborted > 0, "{all:?}");
    assert!(all.refused_for_space > 0, "{all:?}");
    assert_eq!(all.forgotten, 0);
}

#[test]
fn on_a_disk_that_loses_and_tears_nothing_is_released_twice_or_wrongly() {
    let all = play_all(Kind::Broken, seeds());
    eprintln!("{all:?}");
    assert!(all.released > 0, "{all:?}");
    assert!(all.forgotten > 0, "such a disk loses something: {all:?}");
}

#[test]
fn the_same_seed_plays_the_same() {
    for seed in 0..3 {
        assert_eq!(play(Kind::Sound, seed), play(Kind::Sound, seed), "{seed}");
    }
}
