//! The command line: where to listen, what to keep, what to get wrong on purpose.

use std::path::PathBuf;
use std::time::Duration;

use sealsum_enclave_core::MEMORY_CEILING;
use sealsum_softnsm::Faults;

use crate::address::ListenAddress;

/// A MOCK of the Sealsum enclave: the same rounds over a software security module.
///
/// It isolates nothing and is for development and tests. When it listens, it prints
/// one line of JSON to stdout: {"listening","trust":"mock","pcr0"}.
#[derive(clap::Parser)]
#[command(version, after_help = EXAMPLE)]
pub(crate) struct Arguments {
    /// tcp:HOST:PORT (port 0: the system chooses one) or unix:PATH.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: ListenAddress,

    /// Keep the root's key in this folder, so that policies which pin it outlive a
    /// restart. Nothing else is kept.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,

    /// Write an appraisal policy that pins this mock to FILE, and its root beside
    /// it as FILE's name with the extension .root.pem. Files there that say
    /// otherwise are not overwritten.
    #[arg(long, value_name = "FILE")]
    pub(crate) write_policy: Option<PathBuf>,

    /// Overwrite what lies where the policy is to be written.
    #[arg(long, requires = "write_policy")]
    pub(crate) force: bool,

    /// Memory for all open rounds together, in MiB.
    #[arg(long, value_name = "N", default_value_t = MEMORY_CEILING / MIB,
          value_parser = clap::value_parser!(u64).range(1..=MEMORY_MIB_MAX))]
    memory_mib: u64,

    /// After SIGTERM or SIGINT, how long to wait for the parent to fetch abort receipts
    /// and finish releases, in ms. Ends earlier if nothing is left to fetch.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    grace_ms: u64,

    /// Fault: PCR0, 1 and 2 are zero, as in an enclave started in debug mode.
    #[arg(long, help_heading = FAULTS)]
    debug_pcrs: bool,

    /// Fault: the leaf certificate expired an hour ago.
    #[arg(long, help_heading = FAULTS)]
    expired_leaf: bool,

    /// Fault: the security module's clock is off by N ms; negative is behind.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true,
          help_heading = FAULTS)]
    clock_offset_ms: i64,

    /// Fault: PCR0 is another image's. The policy and the line on stdout keep the
    /// true one.
    #[arg(long, help_heading = FAULTS)]
    wrong_pcr0: bool,

    /// Fault: each attestation takes N ms longer.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = FAULTS)]
    attest_delay_ms: u64,
}

impl Arguments {
    /// In bytes.
    pub(crate) fn memory_ceiling(&self) -> u64 {
        // At most 2^40, by the argument's range.
        self.memory_mib.saturating_mul(MIB)
    }

    /// How long to stay up after a signal.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }

    pub(crate) fn faults(&self) -> Faults {
        Faults {
            debug_pcrs: self.debug_pcrs,
            expired_leaf: self.expired_leaf,
            clock_offset_ms: self.clock_offset_ms,
            wrong_pcr0: self.wrong_pcr0,
            attest_delay: Duration::from_millis(self.attest_delay_ms),
        }
    }
}

const EXAMPLE: &str = "\
Example:
  sealsum-mock-enclave --listen tcp:127.0.0.1:5005 \\
      --state mock-state --write-policy mock-policy.toml

Evidence from it passes only under a policy with mock = true, given with --mock.
SIGTERM and SIGINT abort the rounds that collect and let the parent fetch the abort
receipts; a second signal ends it at once, and open rounds are lost.
Exit codes: 0 ended as asked, 1 failed, 2 an address, file or flag can't be used.";
const FAULTS: &str = "Faults";
const MIB: u64 = 1024 * 1024;
/// 1 TiB: more is a slip of the keyboard.
const MEMORY_MIB_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_fault_has_its_flag_and_none_is_on_by_default() {
        let parse = |more: &[&str]| {
            let line = ["mock", "--listen", "tcp:127.0.0.1:0"];
            Arguments::try_parse_from(line.iter().chain(more)).unwrap()
        };
        let sound = parse(&[]);
        assert_eq!(sound.faults(), Faults::default());
        assert_eq!(sound.memory_ceiling(), MEMORY_CEILING);
        let faults = parse(&[
            "--debug-pcrs",
            "--expired-leaf",
            "--clock-offset-ms",
            "-600000",
            "--wrong-pcr0",
            "--attest-delay-ms",
            "20",
        ])
        .faults();
        let all = Faults {
            debug_pcrs: true,
            expired_leaf: true,
            clock_offset_ms: -600_000,
            wrong_pcr0: true,
            attest_delay: Duration::from_millis(20),
        };
        assert_eq!(faults, all);
    }
}
