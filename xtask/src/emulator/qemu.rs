//! QEMU with the `nitro-enclave` machine, which Debian's own builds lack: they are made without
//! libcbor, which its NSM device needs.
//!
//! Only that machine, under software emulation. The firmware comes from Debian's packages, since
//! the source package has no blobs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::apt::{self, Kind, Pinned};
use super::cache::{Building, made};
use super::packages::Package;
use super::{patiently, step, unpack, unpack_package};

/// What the build depends on.
pub(super) fn inputs() -> Vec<&'static str> {
    let mut inputs = vec![SOURCE.sha256, DEVICES, UNPACKS_BLOBS, BUILD_TOOLS];
    inputs.extend(FIRMWARE_PACKAGES.map(|package| package.sha256));
    inputs.extend(CONFIGURE);
    inputs.extend(PACKAGES.map(|package| package.name));
    inputs
}

/// Leaves [`PROGRAM`] and [`FIRMWARE`] in the building's result.
pub(super) fn build(building: &Building) -> Result<()> {
    let source = building.scratch("qemu")?;
    unpack(&apt::fetch(&SOURCE)?, &source)?;
    prepare(&source)?;

    let venv = building.scratch("venv")?;
    patiently(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let python = venv.join("bin/python3");
    patiently(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(BUILD_TOOLS.split(' ')),
    )?;

    step("building QEMU: about four minutes of processor time, once per machine");
    let objects = building.scratch("qemu-build")?;
    patiently(
        Command::new(source.join("configure"))
            .arg(format!("--python={}", python.display()))
            .args(CONFIGURE)
            .current_dir(&objects),
    )?;
    patiently(
        Command::new("ninja")
            .args(["-j", JOBS, QEMU])
            .current_dir(&objects),
    )?;

    let program = building.result().join(PROGRAM);
    made(program.parent().context("no folder")?)?;
    fs::copy(objects.join(QEMU), &program).context("keeping QEMU")?;
    has_the_machine(&program)?;
    firmware(building)
}

/// The configuration of devices, and a build file that would unpack blobs that are not there.
fn prepare(source: &Path) -> Result<()> {
    fs::write(
        source.join("configs/devices/x86_64-softmmu/sealsum.mak"),
        DEVICES,
    )?;
    let path = source.join("meson.build");
    let text = fs::read_to_string(&path)?;
    ensure!(
        text.matches(UNPACKS_BLOBS).count() == 1,
        "QEMU's meson.build has no line `{UNPACKS_BLOBS}`: it is another version than the recipe is for"
    );
    fs::write(
        &path,
        text.replace(UNPACKS_BLOBS, "unpack_edk2_blobs = false"),
    )?;
    Ok(())
}

fn firmware(building: &Building) -> Result<()> {
    let unpacked = building.scratch("firmware")?;
    for package in &FIRMWARE_PACKAGES {
        unpack_package(&apt::fetch(package)?, &unpacked)?;
    }
    let kept = building.result().join(FIRMWARE);
    made(&kept)?;
    for folder in ["seabios", "qemu"] {
        fs::rename(unpacked.join("usr/share").join(folder), kept.join(folder))
            .with_context(|| format!("the firmware packages have no /usr/share/{folder}"))?;
    }
    Ok(())
}

/// A missing library leaves the machine out without a word.
fn has_the_machine(program: &Path) -> Result<()> {
    let machines = crate::workspace::output(Command::new(program).args(["-machine", "help"]))?;
    ensure!(
        machines
            .lines()
            .any(|line| line.starts_with("nitro-enclave ")),
        "QEMU was built without its nitro-enclave machine"
    );
    Ok(())
}

/// Where they are, in the emulator's folder.
pub(super) const PROGRAM: &str = "bin/qemu-system-x86_64";
pub(super) const FIRMWARE: &str = "firmware";

const QEMU: &str = "qemu-system-x86_64";
/// Two, as on the smallest machines that this is built on.
const JOBS: &str = "2";

const SOURCE: Pinned = Pinned {
    package: "qemu",
    version: "1:10.0.2+ds-2+deb13u1~bpo12+1",
    kind: Kind::Source("qemu_10.0.2+ds.orig.tar.xz"),
    sha256: "0901da33844a331bf8b3602b9c1fbd178e60b737c8e3ade678255bd090c9b9f1",
};
const FIRMWARE_PACKAGES: [Pinned; 2] = [
    Pinned {
        package: "seabios",
        version: "1.16.3-2~bpo12+1",
        kind: Kind::Binary,
        sha256: "48390d0a534c66d11789e39518aa219773a9d3677b29fe1af8799dfb563ec713",
    },
    Pinned {
        package: "qemu-system-data",
        version: "1:10.0.2+ds-2+deb13u1~bpo12+1",
        kind: Kind::Binary,
        sha256: "2d831088187087013b3fcbd19bdfb955b182a2d5a08f6dafa0ad1c6d2007fb4e",
    },
];
/// From the Python package index: QEMU's build wants a newer meson than Debian 12 has.
const BUILD_TOOLS: &str = "meson==1.5.2 pycotap==1.3.1 tomli==2.5.0 distlib==0.4.4";
const DEVICES: &str = "CONFIG_MICROVM=y\nCONFIG_NITRO_ENCLAVE=y\n";
const UNPACKS_BLOBS: &str = "unpack_edk2_blobs = bzip2.found()";
const CONFIGURE: [&str; 13] = [
    "--target-list=x86_64-softmmu",
    "--with-devices-x86_64=sealsum",
    "--without-default-features",
    "--without-default-devices",
    "--enable-tcg",
    "--enable-gnutls",
    "--enable-libcbor",
    "--enable-vhost-user",
    "--enable-fdt=system",
    "--disable-install-blobs",
    "--disable-debug-info",
    "--disable-docs",
    "--disable-download",
];
pub(super) const PACKAGES: [Package; 12] = [
    Package {
        name: "gcc",
        purpose: "compiles QEMU",
    },
    Package {
        name: "libc6-dev",
        purpose: "the C library's headers",
    },
    Package {
        name: "make",
        purpose: "QEMU's configure asks for it",
    },
    Package {
        name: "ninja-build",
        purpose: "runs QEMU's build",
    },
    Package {
        name: "pkg-config",
        purpose: "finds the libraries below",
    },
    Package {
        name: "python3-venv",
        purpose: "a folder for meson, which configures QEMU",
    },
    Package {
        name: "xz-utils",
        purpose: "unpacks QEMU's source",
    },
    Package {
        name: "libcbor-dev",
        purpose: "QEMU's security module speaks CBOR",
    },
    Package {
        name: "libgnutls28-dev",
        purpose: "QEMU measures enclave images with its hashes",
    },
    Package {
        name: "libglib2.0-dev",
        purpose: "QEMU's basic library",
    },
    Package {
        name: "libfdt-dev",
        purpose: "QEMU's machine describes itself in a device tree",
    },
    Package {
        name: "zlib1g-dev",
        purpose: "QEMU unpacks and checks images with it",
    },
];
