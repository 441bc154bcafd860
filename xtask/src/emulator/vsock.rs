//! The emulated machine's vsock: a vhost-user device in a process of its own, since few kernels
//! let an ordinary user have the real one.

use anyhow::Result;

use super::cache::Building;
use super::{patiently, step};
use crate::workspace;

/// What the build depends on.
pub(super) fn inputs() -> [&'static str; 1] {
    [VERSION]
}

/// Leaves [`PROGRAM`] in the building's result.
pub(super) fn build(building: &Building) -> Result<()> {
    step("building vhost-device-vsock: about two minutes of processor time, once per machine");
    let objects = building.scratch("vsock-build")?;
    patiently(
        workspace::cargo()
            .args(["install", "--locked", "--jobs", "2", "--version", VERSION])
            .arg("--root")
            .arg(building.result())
            .arg("--target-dir")
            .arg(&objects)
            .arg("vhost-device-vsock")
            .env_remove("RUSTFLAGS")
            .current_dir(&objects),
    )
}

/// Where it is, in the emulator's folder.
pub(super) const PROGRAM: &str = "bin/vhost-device-vsock";

const VERSION: &str = "0.3.0";
