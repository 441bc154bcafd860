//! The core's security module: the software one.
//!
//! The core learns only that the module failed, as from hardware; whoever runs the
//! mock reads why on stderr.

use sealsum_enclave_core::{DeviceFault, Nsm};
use sealsum_protocol::{Digest, RoundId};
use sealsum_softnsm::{SoftNsm, SoftNsmError};

/// A [`SoftNsm`] behind the core's seam.
pub(crate) struct MockNsm(pub(crate) SoftNsm);

impl Nsm for MockNsm {
    fn attest(&mut self, nonce: &Digest, user_data: &RoundId) -> Result<Vec<u8>, DeviceFault> {
        self.0
            .attest(Some(user_data.as_bytes()), Some(nonce.as_bytes()), None)
            .map_err(|error| fault(&error))
    }

    fn random(&mut self, secret: &mut [u8]) -> Result<(), DeviceFault> {
        self.0.random(secret).map_err(|error| fault(&error))
    }
}

fn fault(error: &SoftNsmError) -> DeviceFault {
    eprintln!("the software NSM failed: {error}");
    DeviceFault
}
