//! What falls to us when the kernel starts us as its first process: mount what is read
//! here, load the device's driver if the image brings it, bury orphans, end the machine.
//!
//! Under AWS's init all of this is done before we start, and nothing here runs. The
//! kernel hands a first process the words of its command line that it does not know. They
//! belong to the image's recipe and are measured with it. As arguments they are not read;
//! of those that became the environment, what the libraries read decides nothing here.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// Whether the kernel started us as its first process.
pub(crate) fn is_first_process() -> bool {
    process::id() == 1
}

/// Mounts the kernel's file systems and loads the driver.
///
/// # Errors
/// [`InitError`].
pub(crate) fn prepare() -> Result<(), InitError> {
    for (kind, place) in FILE_SYSTEMS {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        match mount(Some(kind), place, Some(kind), flags, None::<&str>) {
            // Mounted by the kernel itself, as devtmpfs may be.
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(errno) => return Err(InitError::Mount { place, errno }),
        }
    }
    load(Path::new(DRIVER))
}

/// Loads a kernel module. Kernels with the driver built in come without the file.
fn load(module: &Path) -> Result<(), InitError> {
    let file = match File::open(module) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(InitError::Driver(error)),
    };
    finit_module(file, c"", ModuleInitFlags::empty())
        .map_err(|errno| InitError::Driver(errno.into()))
}

/// Buries those who died and have no other parent. We start no one, so there are few.
pub(crate) fn bury_orphans() {
    let any = None::<nix::unistd::Pid>;
    while let Ok(status) = waitpid(any, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}

/// Ends the enclave. A first process that only exits makes the kernel panic, and the
/// enclave stands half dead until the panic's time is over.
pub(crate) fn end_machine() {
    // If it fails, the panic does it.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
}

/// The image or its kernel lack something that a first process needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InitError {
    /// A file system of the kernel's can't be mounted.
    #[error("can't mount {place}: {errno}; the image lacks the folder, or its kernel the support")]
    Mount { place: &'static str, errno: Errno },
    /// The driver that the image brings does not load.
    #[error(
        "can't load /nsm.ko: {0}; it must be built for the image's kernel, and the kernel must \
         load modules"
    )]
    Driver(io::Error),
}

const FILE_SYSTEMS: [(&str, &str); 3] =
    [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")];

/// The device's driver, in images whose kernel has it as a module.
const DRIVER: &str = "/nsm.ko";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_with_its_own_driver_needs_no_module() {
        let missing = Path::new("/no/such/folder/nsm.ko");
        assert!(load(missing).is_ok());
    }

    #[test]
    fn a_file_that_is_no_module_is_an_error() {
        let no_module = Path::new("/proc/self/exe");
        assert!(matches!(load(no_module), Err(InitError::Driver(_))));
    }

    #[test]
    fn a_process_without_children_has_no_one_to_bury() {
        bury_orphans();
        assert!(!is_first_process());
    }
}
