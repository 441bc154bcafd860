//! The command line: one number. By hand, since an argument parser would be measured
//! and trusted with everything else.

/// What is asked of the process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Serve { port: u32 },
    Constants { port: u32 },
    Help,
    Version,
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// [`UsageError`].
pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Request, UsageError> {
    let request = match arguments.next().as_deref() {
        None => return Ok(Request::Serve { port: PORT }),
        Some("--constants") => Request::Constants { port: PORT },
        Some("--help" | "-h") => Request::Help,
        Some("--version" | "-V") => Request::Version,
        Some("--port") => {
            let port = arguments.next().unwrap_or_default();
            // VMADDR_PORT_ANY is no port, and port 0 none that a parent could name.
            let port = port
                .parse()
                .ok()
                .filter(|port| !matches!(*port, 0 | u32::MAX));
            Request::Serve {
                port: port.ok_or(UsageError::Port)?,
            }
        }
        Some(_) => return Err(UsageError::Unknown),
    };
    match arguments.next() {
        None => Ok(request),
        Some(_) => Err(UsageError::Unknown),
    }
}

/// A command line that means nothing here. The image's recipe is at fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum UsageError {
    /// Not a port.
    #[error("--port takes a vsock port, 1 to 4294967294")]
    Port,
    /// An argument too many, or an unknown one.
    #[error("unknown argument: there are --port N, --constants, --help and --version")]
    Unknown,
}

pub(crate) const HELP: &str = "\
The Sealsum enclave. Runs inside an AWS Nitro enclave only: it needs /dev/nsm.

Usage: sealsum-enclave [--port N | --constants]

  --port N      the vsock port that the parent connects to; 5005 if not given
  --constants   print the limits it runs with, and the PCR16 that attests them

As the first process of an image it reads no arguments, mounts what it needs and
sends the heartbeat that nitro-cli waits for. Why it ends is one line on the console,
and on vsock port 9001 of the host.

Exit codes: 2 usage, 3 no security module, 4 no vsock port or threads, 5 wrong source
of entropy, 6 too little memory, 7 the image or its kernel lack something, 8 PCR16
can't be extended and locked.
Without Nitro hardware, try sealsum-mock-enclave, which protects nothing.";

/// The port that an image serves on.
pub(crate) const PORT: u32 = 5005;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Request, UsageError> {
        read(arguments.iter().map(ToString::to_string))
    }

    #[test]
    fn the_port_is_5005_unless_one_is_given() {
        assert_eq!(of(&[]), Ok(Request::Serve { port: 5005 }));
        assert_eq!(of(&["--port", "7"]), Ok(Request::Serve { port: 7 }));
    }

    #[test]
    fn what_is_no_port_or_unknown_is_refused() {
        for port in ["", "0", "-1", "x", "4294967295", "4294967296"] {
            assert_eq!(of(&["--port", port]), Err(UsageError::Port), "{port}");
        }
        assert_eq!(of(&["--port"]), Err(UsageError::Port));
        assert_eq!(of(&["--listen"]), Err(UsageError::Unknown));
        assert_eq!(of(&["--port", "7", "8"]), Err(UsageError::Unknown));
        assert_eq!(of(&["--help", "me"]), Err(UsageError::Unknown));
    }

    #[test]
    fn help_and_version_can_be_asked_for() {
        assert_eq!(of(&["--help"]), Ok(Request::Help));
        assert_eq!(of(&["-V"]), Ok(Request::Version));
        let constants = Request::Constants { port: 5005 };
        assert_eq!(of(&["--constants"]), Ok(constants));
    }
}
