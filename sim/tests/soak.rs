//! A few thousand operations, and that the simulation can fail at all.

use sealsum_sim::{ParentAs, Sabotage, draw, play, soak};

#[test]
fn a_few_thousand_random_operations_break_no_promise() {
    let (figures, failures) = soak(1, 3_000, ParentAs::Scripted, Sabotage::None);
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(figures.rounds > 40, "{figures:?}");
    assert!(figures.released >= 3, "{figures:?}");
}

#[test]
fn the_same_seed_plays_the_same_episode() {
    let again = || {
        (
            draw(7, 300),
            play(7, &draw(7, 300), ParentAs::Scripted, Sabotage::None),
        )
    };
    assert_eq!(again(), again());
}

#[test]
fn a_broken_enclave_is_found_out_and_the_failure_made_short() {
    is_found_out(
        ParentAs::Scripted,
        &[
            Sabotage::WrongSum,
            Sabotage::NoFloor,
            Sabotage::ForgetsBurns,
        ],
    );
}

#[test]
fn a_registry_that_admits_strangers_and_a_ledger_that_forgets_are_found_out() {
    is_found_out(
        ParentAs::Scripted,
        &[Sabotage::AdmitsStrangers, Sabotage::RestoresLedgers],
    );
}

#[test]
fn the_shipped_parent_keeps_its_word_through_crashes() {
    let (figures, failures) = soak(1, 900, ParentAs::Shipped, Sabotage::None);
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(figures.rounds > 5 && figures.deaths > 0, "{figures:?}");
    assert!(figures.released > 0 && figures.crashes > 0, "{figures:?}");
}

#[test]
fn a_parent_that_forgets_is_found_out() {
    is_found_out(ParentAs::Shipped, &[Sabotage::ParentForgets]);
}

fn is_found_out(parent: ParentAs, sabotages: &[Sabotage]) {
    for sabotage in sabotages {
        let (_, failures) = soak(1, 600, parent, *sabotage);
        let failure = failures.first();
        let failure = failure.unwrap_or_else(|| panic!("{sabotage:?} went unnoticed"));
        assert!(failure.ops.len() <= 20, "{sabotage:?}: {failure:#?}");
        // The short list is a reproduction by itself, and blames the sabotage alone.
        assert!(play(failure.seed, &failure.ops, parent, *sabotage).is_err());
        assert!(play(failure.seed, &failure.ops, parent, Sabotage::None).is_ok());
    }
}
