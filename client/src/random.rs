//! Randomness, from the operating system alone.

use getrandom::SysRng;
use getrandom::rand_core::{Rng as _, UnwrapErr};
use zeroize::Zeroizing;

/// The system's source. It panics if the system has no randomness to give: nothing here
/// can be done without.
pub(crate) fn system() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// 32 fresh secret bytes.
pub(crate) fn secret() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    system().fill_bytes(&mut *bytes);
    bytes
}

/// 32 fresh bytes that others will see.
pub(crate) fn public() -> [u8; 32] {
    let mut bytes = [0; 32];
    system().fill_bytes(&mut bytes);
    bytes
}
