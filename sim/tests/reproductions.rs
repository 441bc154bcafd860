//! Episodes that once failed, as the soak made them short. Each keeps its seed.

use sealsum_sim::{Flavour, Hostile, Op, OpenOp, Sabotage, play};

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
        admit: sealsum_sim::Admit::Open,
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
    assert_eq!(play(7, &there, Sabotage::None).err(), None);
}
