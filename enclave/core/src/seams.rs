//! The enclave's two doors to the outside: its security module and its clock.

use sealsum_protocol::{Digest, RoundId};

/// The Nitro Security Module, or its software twin in a mock.
pub trait Nsm {
    /// An attestation document that carries `nonce` and `user_data`.
    ///
    /// # Errors
    /// [`DeviceFault`] if the device does not answer.
    fn attest(&mut self, nonce: &Digest, user_data: &RoundId) -> Result<Vec<u8>, DeviceFault>;

    /// Fills `secret` from the device's entropy. Secret randomness only: nothing
    /// that leaves the enclave in clear is drawn here.
    ///
    /// # Errors
    /// [`DeviceFault`] if the device does not answer; `secret` must not be used then.
    fn random(&mut self, secret: &mut [u8]) -> Result<(), DeviceFault>;
}

/// Time that only goes forward. The host may slow it, so it bounds how long things
/// live, and nothing else.
pub trait Clock {
    /// Milliseconds since some fixed point.
    fn monotonic_millis(&self) -> u64;
}

/// The security module failed. What exactly stays inside: the parent learns that
/// the command may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the security module did not answer as it should")]
pub struct DeviceFault;
