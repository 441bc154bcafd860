//! How much memory rounds may take: what this enclave has, less what everything else
//! needs, and never more than the core's ceiling.
//!
//! An enclave that is too small says so before it serves. Found out later, the kernel
//! would have no one to kill but us.

use std::fs;

use sealsum_enclave_core::MEMORY_CEILING;

/// The memory for all rounds together, in bytes.
///
/// # Errors
/// [`MemoryError`]: less than [`LEAST`].
pub(crate) fn ceiling() -> Result<u64, MemoryError> {
    let text = fs::read_to_string(SOURCE).unwrap_or_default();
    ceiling_of(available(&text).ok_or(MemoryError::Unknown)?)
}

/// The kernel's estimate of what can be had without swapping, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn ceiling_of(available: u64) -> Result<u64, MemoryError> {
    let rounds = available.saturating_sub(RESERVE).min(MEMORY_CEILING);
    if rounds < LEAST {
        return Err(MemoryError::TooLittle {
            available: available / MIB,
        });
    }
    Ok(rounds)
}

/// The enclave was given too little. Whoever ran it is at fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MemoryError {
    /// Not enough to serve with.
    #[error(
        "{available} MiB of memory are available, at least {} are needed; run the enclave with \
         more (nitro-cli run-enclave --memory)",
        NEEDED / MIB
    )]
    TooLittle { available: u64 },
    /// The kernel does not say.
    #[error("{SOURCE} does not say how much memory is available; is /proc mounted?")]
    Unknown,
}

const SOURCE: &str = "/proc/meminfo";
const MIB: u64 = 1024 * 1024;
/// What rounds don't get. The kernel takes in 256 KiB for each connection before they are
/// read, and one that sends them in the smallest packets makes it hold about 8 MiB of
/// buffers for them; with those that wait there are 13. Beside that, each of the 8 that
/// are served holds a frame, its reply and a stack: 0.75 MiB. Of the threads that share a
/// command's work, 15 at most, each takes 0.25 MiB: what is erased of its stack, and a block
/// or seeds.
const RESERVE: u64 = 116 * MIB;
/// Rounds below this size are not worth an enclave.
const LEAST: u64 = 32 * MIB;
const NEEDED: u64 = RESERVE + LEAST;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_estimate_is_read_in_kibibytes() {
        let text = "MemTotal:         240000 kB\nMemFree:   9 kB\nMemAvailable:     230400 kB\n";
        assert_eq!(available(text), Some(225 * MIB));
        for bad in [
            "",
            "MemTotal: 5 kB",
            "MemAvailable: x kB",
            "MemAvailable: 5 MB",
            "MemAvailable: 18446744073709551615 kB",
        ] {
            assert_eq!(available(bad), None, "{bad}");
        }
    }

    #[test]
    fn rounds_get_what_is_left_up_to_the_cores_ceiling() {
        assert_eq!(ceiling_of(RESERVE + 96 * MIB), Ok(96 * MIB));
        assert_eq!(ceiling_of(NEEDED), Ok(LEAST));
        assert_eq!(ceiling_of(RESERVE + MEMORY_CEILING), Ok(MEMORY_CEILING));
        assert_eq!(ceiling_of(u64::MAX), Ok(MEMORY_CEILING));
    }

    #[test]
    fn an_enclave_that_is_too_small_is_refused() {
        assert_eq!(
            ceiling_of(NEEDED - 1),
            Err(MemoryError::TooLittle { available: 147 })
        );
        assert_eq!(ceiling_of(0), Err(MemoryError::TooLittle { available: 0 }));
    }
}
