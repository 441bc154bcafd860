//! What moves of secrets leave behind on the stack (I10).
//!
//! Types that hold secrets erase themselves when they are dropped, where they are then. A
//! value that was moved there, a key schedule say, may have left its bytes in frames that
//! are dead by now; nothing erases those but writing over them.

use core::hint::black_box;

/// Writes over the dead stack below the caller's frame, as far down as a command's work
/// reaches.
#[inline(never)]
pub(crate) fn erase_dead_frames() {
    black_box([0_u8; DEEPEST]);
}

/// The same after work that only expands masks, for a thread that does nothing else.
#[inline(never)]
pub(crate) fn erase_shallow_frames() {
    black_box([0_u8; SHALLOW]);
}

/// X-Wing is the deepest: a whole round of both sides ran on a stack of 96 KiB when optimised, not
/// on one of 64; unoptimised on one of 192 KiB, not on one of 128.
const DEEPEST: usize = 192 * 1024;
/// A cipher's key schedule and a few blocks of its keystream: far less than this, in any build.
const SHALLOW: usize = 32 * 1024;
