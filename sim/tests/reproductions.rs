//! Episodes that once failed, as the soak made them short. Each keeps its seed.

use sealsum_sim::{
    Admit, Answering, CloseAs, Flavour, Hostile, Op, OpenOp, ParentAs, Proof, Sabotage, play,
};

const fn open(enclave: u8, stream: bool) -> Op {
    Op::Open(OpenOp {
        enclave,
        task: 0,
        number_back: 0,
        base_back: 0,
        stream,
        min: 3,
        wide: false,
        flavour: Flavour::Honest,
        admit: Admit::Open,
    })
}

/// The model was wrong: a contribution carried to another round and back is the original again,
/// and opens.
#[test]
fn a_contribution_that_is_copied_back_to_its_own_round_opens() {
    let there = [
        open(0, true),
        Op::Send(0, 0, 0, true),
        open(0, true),
        // The original into round 1, then that copy back into round 0.
        Op::Hostile(Hostile::CopiedRound, 0, 0, 0),
        Op::Hostile(Hostile::CopiedRound, 1, 1, 0),
    ];
    assert_eq!(
        play(7, &there, ParentAs::Scripted, Sabotage::None).err(),
        None
    );
}

/// The model was wrong: a proof that a site is in the sum frees nothing, and yet tells the ledger
/// that it is; from then on there is nothing to resume.
#[test]
fn a_proof_against_a_site_settles_its_round() {
    let there = [
        open(0, true),
        Op::Send(0, 0, 0, false),
        Op::Send(1, 0, 0, false),
        Op::Send(2, 0, 0, false),
        Op::Close(0, CloseAs::Honest),
        Op::Release(0, 0, false),
        Op::Finish(0),
        Op::Refund(1, 0, Proof::Exclusion),
        Op::Resume(1, 0, Answering::Honest),
    ];
    assert_eq!(
        play(7, &there, ParentAs::Scripted, Sabotage::None).err(),
        None
    );
}

/// The counter was wrong: it went on offering rounds whose enclave was gone.
#[test]
fn nobody_seals_for_an_enclave_that_is_gone() {
    let there = [
        open(0, true),
        Op::RestartEnclave(0),
        Op::Seal(0, 0),
        Op::Resume(0, 0, Answering::Honest),
    ];
    assert_eq!(
        play(7, &there, ParentAs::Scripted, Sabotage::None).err(),
        None
    );
}

/// The model was wrong: a parent that aborts as it ends keeps the receipts, so the rounds stay
/// aborted, not lost, when their enclave goes too.
#[test]
fn a_round_that_was_aborted_at_the_end_stays_aborted_without_its_enclave() {
    let aborting = 1;
    let there = [
        open(0, true),
        Op::RestartParent(aborting),
        Op::RestartEnclave(0),
        Op::Status(0),
        Op::Refund(0, 0, Proof::Abort),
    ];
    assert_eq!(
        play(7, &there, ParentAs::Shipped, Sabotage::None).err(),
        None
    );
}

/// The parent once stopped at the first round that its enclave had lost, and left those
/// behind it without their abort receipts.
#[test]
fn a_lost_round_does_not_keep_the_parent_from_aborting_those_behind_it() {
    let aborting = 1;
    let there = [
        open(0, true),
        Op::RestartEnclave(0),
        open(0, true),
        Op::RestartParent(aborting),
    ];
    let found = play(7, &there, ParentAs::Shipped, Sabotage::None).err();
    assert_eq!(found.map(|violation| violation.what), None);
}

/// The model was wrong: a parent that crashed and started again asks its enclave about one round
/// after the other, and until it has heard says what it last knew.
#[test]
fn a_parent_that_has_just_started_learns_that_its_enclave_is_another() {
    let crash = 2;
    let mut there = vec![open(0, true); 24];
    there.push(Op::RestartEnclave(0));
    for round in 0..24 {
        there.extend([Op::RestartParent(crash), Op::Status(round)]);
    }
    assert_eq!(
        play(7, &there, ParentAs::Shipped, Sabotage::None).err(),
        None
    );
}
