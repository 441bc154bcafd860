//! The kernel's random numbers: decides that they come from the security module, and
//! stirs more of its entropy into them before the first key.
//!
//! Keys are drawn from the module itself, not from the kernel; what libraries take from
//! the kernel (hash maps' keys) must still be nothing that the host can guess.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use sealsum_enclave_core::{DeviceFault, Nsm};
use zeroize::Zeroizing;

/// Checks the kernel's source and stirs.
///
/// # Errors
/// [`EntropyError`].
pub(crate) fn prepare(device: &mut impl Nsm) -> Result<(), EntropyError> {
    check_source(Path::new(CURRENT_SOURCE))?;
    stir(device, Path::new(POOL))
}

fn check_source(current: &Path) -> Result<(), EntropyError> {
    let source = fs::read_to_string(current).unwrap_or_default();
    match source.trim() {
        NSM_SOURCE => Ok(()),
        found => Err(EntropyError::Source {
            found: found.chars().take(SHOWN).collect(),
        }),
    }
}

fn stir(device: &mut impl Nsm, pool: &Path) -> Result<(), EntropyError> {
    let mut drawn = Zeroizing::new([0; STIRRED]);
    device.random(drawn.as_mut_slice())?;
    let mut pool = OpenOptions::new()
        .write(true)
        .open(pool)
        .map_err(EntropyError::Pool)?;
    pool.write_all(drawn.as_slice()).map_err(EntropyError::Pool)
}

/// The kernel's random numbers can't be relied on. The image's kernel is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EntropyError {
    /// Another source than the security module, or none.
    #[error(
        "the kernel's entropy comes from {found:?}, expected {NSM_SOURCE:?} in {CURRENT_SOURCE}; \
         the image's kernel needs the NSM driver and no other source"
    )]
    Source { found: String },
    /// The pool takes nothing.
    #[error("can't stir entropy into {POOL}: {0}")]
    Pool(io::Error),
    /// The security module gave none.
    #[error("no entropy: {0}; restart the enclave, and if that does not help, the instance")]
    Device(#[from] DeviceFault),
}

const CURRENT_SOURCE: &str = "/sys/class/misc/hw_random/rng_current";
/// The name under which the kernel's driver gives the module's entropy.
const NSM_SOURCE: &str = "nsm-hwrng";
const POOL: &str = "/dev/random";
/// Bytes: the pool's 256 bits, and as much as one draw gives.
const STIRRED: usize = 256;
/// Characters of a foreign source's name that are told.
const SHOWN: usize = 32;

#[cfg(test)]
mod tests {
    use std::env;
    use std::path::PathBuf;

    use sealsum_protocol::{Digest, RoundId};

    use super::*;

    /// Counts up from 1, or fails.
    struct Device {
        works: bool,
    }

    impl Nsm for Device {
        fn attest(&mut self, _: &Digest, _: &RoundId) -> Result<Vec<u8>, DeviceFault> {
            Err(DeviceFault)
        }

        fn random(&mut self, secret: &mut [u8]) -> Result<(), DeviceFault> {
            for (byte, value) in secret.iter_mut().zip((1..=255).cycle()) {
                *byte = value;
            }
            self.works.then_some(()).ok_or(DeviceFault)
        }
    }

    /// A file of its own for each test, gone with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, text: &str) -> Self {
            let name = format!("sealsum-enclave-{}-{name}", std::process::id());
            let path = env::temp_dir().join(name);
            fs::write(&path, text).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn the_module_is_the_one_accepted_source() {
        let file = Scratch::new("nsm", "nsm-hwrng\n");
        assert!(check_source(&file.0).is_ok());
        for other in [
            "virtio_rng.0\n",
            "tpm-rng-0",
            "none\n",
            "",
            "nsm-hwrng2",
            "nsm",
        ] {
            let file = Scratch::new("other", other);
            let Err(EntropyError::Source { found }) = check_source(&file.0) else {
                panic!("{other:?} was accepted");
            };
            assert_eq!(found, other.trim());
        }
    }

    #[test]
    fn a_kernel_without_any_source_is_refused() {
        let missing = check_source(Path::new("/no/such/folder/rng_current"));
        assert!(matches!(missing, Err(EntropyError::Source { found }) if found.is_empty()));
    }

    #[test]
    fn what_the_device_gave_is_stirred_in_whole() {
        let pool = Scratch::new("pool", "");
        stir(&mut Device { works: true }, &pool.0).unwrap();
        let stirred = fs::read(&pool.0).unwrap();
        let expected: Vec<u8> = (1..=255).chain([1]).collect();
        assert_eq!(stirred, expected);
    }

    #[test]
    fn a_device_that_fails_stirs_nothing() {
        let pool = Scratch::new("dry", "");
        let failed = stir(&mut Device { works: false }, &pool.0);
        assert!(matches!(failed, Err(EntropyError::Device(_))));
        assert!(fs::read(&pool.0).unwrap().is_empty());
    }

    #[test]
    fn a_pool_that_is_not_there_is_an_error() {
        let failed = stir(
            &mut Device { works: true },
            Path::new("/no/such/folder/random"),
        );
        assert!(matches!(failed, Err(EntropyError::Pool(_))));
    }
}
