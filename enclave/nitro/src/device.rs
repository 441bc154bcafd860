//! The core's security module: `/dev/nsm`, through AWS's driver.
//!
//! Decides when the device has failed: it answers something else, or nothing. What
//! exactly it said stays here; the core passes on that the command may be repeated.
//! Documents are passed on as they are: judging them is the relying party's.

use nsm::api::{Request, Response};
use nsm::driver::{nsm_exit, nsm_init, nsm_process_request};
use sealsum_enclave_core::{DeviceFault, Nsm};
use sealsum_protocol::{Digest, RoundId};
use zeroize::Zeroizing;

/// The open device; closed on drop.
pub(crate) struct Device {
    descriptor: i32,
}

impl Device {
    /// Opens the device and asks it who it is, so that one which does not answer is
    /// found now and not by the first round.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(crate) fn open() -> Result<Self, DeviceError> {
        let descriptor = nsm_init();
        if descriptor < 0 {
            return Err(DeviceError::Missing);
        }
        let device = Self { descriptor };
        match device.ask(Request::DescribeNSM) {
            Response::DescribeNSM { .. } => Ok(device),
            _ => Err(DeviceError::Silent),
        }
    }

    /// Extends `register` with `digest`, and locks it and those below it for as long as
    /// the enclave lives. `expected` is what it must then hold: a register that was
    /// extended before holds something else.
    ///
    /// # Errors
    /// [`RegisterError`]
    pub(crate) fn extend_and_lock(
        &mut self,
        register: u16,
        digest: &[u8; 48],
        expected: &[u8; 48],
    ) -> Result<(), RegisterError> {
        let extension = Request::ExtendPCR {
            index: register,
            data: digest.to_vec(),
        };
        check_extended(&self.ask(extension), register, expected)?;
        let range = register.saturating_add(1);
        match self.ask(Request::LockPCRs { range }) {
            Response::LockPCRs => Ok(()),
            _ => Err(RegisterError::NotLocked { register }),
        }
    }

    fn ask(&self, request: Request) -> Response {
        nsm_process_request(self.descriptor, request)
    }
}

impl Nsm for Device {
    fn attest(&mut self, nonce: &Digest, user_data: &RoundId) -> Result<Vec<u8>, DeviceFault> {
        let request = Request::Attestation {
            user_data: Some(user_data.as_bytes().to_vec().into()),
            nonce: Some(nonce.as_bytes().to_vec().into()),
            // X-Wing's key does not fit; the round's id commits to it.
            public_key: None,
        };
        match self.ask(request) {
            Response::Attestation { document } => Ok(document),
            _ => Err(DeviceFault),
        }
    }

    fn random(&mut self, secret: &mut [u8]) -> Result<(), DeviceFault> {
        fill(secret, || match self.ask(Request::GetRandom) {
            // The driver's own buffer, on a stack that it has left, is beyond reach.
            Response::GetRandom { random } => Some(Zeroizing::new(random)),
            _ => None,
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        nsm_exit(self.descriptor);
    }
}

/// Fills `secret` from as many draws as it takes; each gives up to 256 bytes.
fn fill(
    secret: &mut [u8],
    mut draw: impl FnMut() -> Option<Zeroizing<Vec<u8>>>,
) -> Result<(), DeviceFault> {
    let mut rest = secret;
    while !rest.is_empty() {
        // An empty draw would be asked for without end.
        let drawn = draw()
            .filter(|drawn| !drawn.is_empty())
            .ok_or(DeviceFault)?;
        let length = drawn.len().min(rest.len());
        let (filled, unfilled) = rest.split_at_mut_checked(length).ok_or(DeviceFault)?;
        filled.copy_from_slice(drawn.get(..length).ok_or(DeviceFault)?);
        rest = unfilled;
    }
    Ok(())
}

fn check_extended(
    response: &Response,
    register: u16,
    expected: &[u8; 48],
) -> Result<(), RegisterError> {
    match response {
        Response::ExtendPCR { data } if data == expected => Ok(()),
        Response::ExtendPCR { .. } => Err(RegisterError::ExtendedBefore { register }),
        _ => Err(RegisterError::NotExtended { register }),
    }
}

/// The enclave's constants can't be attested. Something ran before us in this enclave,
/// or the device fails.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RegisterError {
    /// Locked, or the device fails.
    #[error(
        "the security module does not extend PCR{register}; was it locked by something that ran \
         before? The image may start one program only"
    )]
    NotExtended { register: u16 },
    /// It holds more than our constants.
    #[error(
        "PCR{register} was extended before we started; the image may start one program only, once"
    )]
    ExtendedBefore { register: u16 },
    /// It would stay open to later extensions.
    #[error("the security module does not lock PCR0 to PCR{register}; restart the enclave")]
    NotLocked { register: u16 },
}

/// There is no device to start with. Whoever started the process is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DeviceError {
    /// No device file, or no right to open it.
    #[error(
        "no security module: /dev/nsm can't be opened; this binary runs inside an AWS Nitro \
         enclave only (without one, try sealsum-mock-enclave, which protects nothing)"
    )]
    Missing,
    /// A device file, and nothing behind it.
    #[error(
        "the security module behind /dev/nsm does not describe itself; restart the enclave, and \
         if that does not help, the instance"
    )]
    Silent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_that_held_something_before_is_refused() {
        let extended = |data: &[u8]| Response::ExtendPCR {
            data: data.to_vec(),
        };
        let check = |response: &Response| check_extended(response, 16, &[7; 48]);
        assert_eq!(check(&extended(&[7; 48])), Ok(()));
        for other in [&[8; 48][..], &[7; 47], &[]] {
            assert_eq!(
                check(&extended(other)),
                Err(RegisterError::ExtendedBefore { register: 16 })
            );
        }
        for response in [
            Response::Error(nsm::api::ErrorCode::ReadOnlyIndex),
            Response::LockPCRs,
        ] {
            assert_eq!(
                check(&response),
                Err(RegisterError::NotExtended { register: 16 })
            );
        }
    }

    /// Draws of these lengths, each byte counting up, then none.
    fn draws(lengths: &[usize]) -> impl FnMut() -> Option<Zeroizing<Vec<u8>>> + use<'_> {
        let mut lengths = lengths.iter().copied();
        let mut counter = 0_u8;
        move || {
            let drawn = (0..lengths.next()?).map(|_| {
                counter += 1;
                counter
            });
            Some(Zeroizing::new(drawn.collect()))
        }
    }

    #[test]
    fn draws_follow_each_other_and_what_is_too_much_is_dropped() {
        let mut secret = [0; 6];
        fill(&mut secret, draws(&[1, 2, 8])).unwrap();
        assert_eq!(secret, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn nothing_is_drawn_for_nothing() {
        assert_eq!(fill(&mut [], draws(&[])), Ok(()));
    }

    #[test]
    fn a_device_that_stops_or_gives_nothing_is_at_fault() {
        assert_eq!(fill(&mut [0; 6], draws(&[3])), Err(DeviceFault));
        assert_eq!(fill(&mut [0; 6], draws(&[3, 0, 3])), Err(DeviceFault));
    }
}
