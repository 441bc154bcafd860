//! Why the enclave does not start, as exit code, as text and as a line for the host.
//!
//! An enclave in production has no console. Its last words are one line over vsock, and
//! say what failed, never with which contents.
//!
//! | code | status | meaning |
//! |---|---|---|
//! | 0 | | what was asked for was printed |
//! | 2 | | the command line is wrong |
//! | 3 | `no-security-module` | there is no security module, or it does not answer |
//! | 4 | `no-port` | the vsock port, or the threads that serve it, can't be had |
//! | 5 | `wrong-entropy` | the kernel's entropy is not the security module's |
//! | 6 | `too-little-memory` | the enclave was given too little memory |
//! | 7 | `bad-image` | the image or its kernel lack something |
//! | 8 | `constants-not-attested` | PCR16 can't be extended and locked |
//! | 134 | `broken-invariant` | it aborted (SIGABRT): the rounds are gone |

use std::io;

use crate::arguments::UsageError;
use crate::device::{DeviceError, RegisterError};
use crate::entropy::EntropyError;
use crate::init::InitError;
use crate::memory::MemoryError;

/// What ended the start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Init(#[from] InitError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Register(#[from] RegisterError),
    #[error(
        "can't listen on vsock port {port}: {source}; is it taken, or does the kernel lack vsock?"
    )]
    Listen { port: u32, source: io::Error },
    #[error("can't start the threads that serve connections: {0}; give the enclave more memory")]
    Threads(io::Error),
}

impl Failure {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Device(_) => 3,
            Self::Listen { .. } | Self::Threads(_) => 4,
            Self::Entropy(_) => 5,
            Self::Memory(_) => 6,
            Self::Init(_) => 7,
            Self::Register(_) => 8,
        }
    }

    /// The line for the host; `None` if someone at a terminal mistyped.
    pub(crate) fn last_status(&self) -> Option<String> {
        let name = match self {
            Self::Usage(_) => return None,
            Self::Device(_) => "no-security-module",
            Self::Listen { .. } | Self::Threads(_) => "no-port",
            Self::Entropy(_) => "wrong-entropy",
            Self::Memory(_) => "too-little-memory",
            Self::Init(_) => "bad-image",
            Self::Register(_) => "constants-not-attested",
        };
        Some(status_line(self.exit_code(), name))
    }
}

/// `sealsum-enclave VERSION CODE NAME`, ended.
pub(crate) fn status_line(code: u8, name: &str) -> String {
    format!(
        "sealsum-enclave {} {code} {name}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What the shell makes of SIGABRT.
pub(crate) const BROKEN_INVARIANT: u8 = 134;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_but_a_typing_error_has_a_line_for_the_host() {
        let memory = Failure::from(MemoryError::TooLittle { available: 9 });
        let line = memory.last_status().unwrap();
        assert!(line.starts_with("sealsum-enclave "), "{line}");
        assert!(line.ends_with(" 6 too-little-memory\n"), "{line}");
        assert!(!line.contains('9'), "no measured value leaves: {line}");
        assert_eq!(Failure::from(UsageError::Port).last_status(), None);
    }

    /// The page is for whoever reads the line on the host.
    #[test]
    fn the_operators_page_has_every_code_and_status() {
        let page = include_str!("../../../docs/OPERATIONS.md");
        let failures = [
            Failure::from(DeviceError::Missing),
            Failure::Threads(io::ErrorKind::OutOfMemory.into()),
            Failure::from(EntropyError::Source { found: "x".into() }),
            Failure::from(MemoryError::Unknown),
            Failure::from(InitError::Driver(io::ErrorKind::Other.into())),
            Failure::from(RegisterError::NotLocked { register: 16 }),
        ];
        let lines = failures.map(|failure| failure.last_status().unwrap());
        let broken = status_line(BROKEN_INVARIANT, "broken-invariant");
        for line in lines.iter().chain([&broken]) {
            let words: Vec<_> = line.split_whitespace().collect();
            let row = format!("| {} | `{}` |", words[2], words[3]);
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn no_two_kinds_of_failure_share_a_code() {
        let codes = [
            Failure::from(UsageError::Port).exit_code(),
            Failure::from(DeviceError::Missing).exit_code(),
            Failure::Threads(io::ErrorKind::OutOfMemory.into()).exit_code(),
            Failure::from(EntropyError::Source { found: "x".into() }).exit_code(),
            Failure::from(MemoryError::Unknown).exit_code(),
            Failure::from(InitError::Driver(io::ErrorKind::Other.into())).exit_code(),
            Failure::from(RegisterError::NotLocked { register: 16 }).exit_code(),
        ];
        assert_eq!(codes, [2, 3, 4, 5, 6, 7, 8]);
    }
}
