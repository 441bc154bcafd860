//! `cargo xtask image kernel`: the kernel of images for tests, and for whoever wants to build all
//! of an image from source.
//!
//! Debian's source of Linux, pinned by digest, with the options in `enclave/image/kernel.config`
//! and nothing else. Debian's own kernels do not find the security module of an enclave: they lack
//! `VIRTIO_MMIO_CMDLINE_DEVICES`. No time, user, host or path enters it: built
//! twice from sources in different folders, by one compiler and linker, it was the same bytes.
//! It has never run on Nitro hardware; there, images have AWS's kernel (`--kernel`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::emulator::apt::{self, Kind, Pinned};
use crate::emulator::cache::{self, Building};
use crate::emulator::packages::{self, Package};
use crate::emulator::{patiently, step, unpack, unpack_package};
use crate::workspace;

/// Flags of `cargo xtask image kernel`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install the Debian packages that are missing (as root)
    #[arg(long)]
    install: bool,
    /// Print one object with "kernel", "sha256", "source" and "compiler"
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let kernel = build(workspace::root(), options.install)?;
    if options.json {
        println!(
            "{}",
            json!({
                "kernel": kernel.bz_image,
                "sha256": kernel.sha256,
                "source": kernel.source,
                "compiler": kernel.compiler,
            })
        );
    } else {
        println!("kernel    {}", kernel.bz_image.display());
        println!("sha256    {}", kernel.sha256);
        println!("source    {}", kernel.source);
        println!("compiler  {}", kernel.compiler);
    }
    Ok(true)
}

/// A kernel, and what it was built with.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub(crate) bz_image: PathBuf,
    /// Of the bzImage, in hex.
    pub(crate) sha256: String,
    /// Debian's package and its version.
    pub(crate) source: String,
    /// The first line of `gcc --version`: another compiler, another kernel.
    pub(crate) compiler: String,
}

/// Built now, or earlier, with the options in the source at `root`. With `install`, missing Debian
/// packages are installed.
pub(crate) fn build(root: &Path, install: bool) -> Result<Kernel> {
    let path = root.join("enclave/image/kernel.config");
    let wanted =
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    // Its version decides which kernel it is; the rest is needed only if it is not built yet.
    packages::ensure(&PACKAGES[..1], install)?;
    let compiler = first_line("gcc")?;
    let linker = first_line("ld")?;
    let inputs = [RECIPE, SOURCE.sha256, &wanted, &compiler, &linker];
    let folder = cache::built("kernel", &inputs, |building| {
        packages::ensure(&PACKAGES, install)?;
        compile(building, &wanted)
    })?;
    let bz_image = folder.join(BZ_IMAGE);
    Ok(Kernel {
        sha256: cache::sha256(&bz_image)?,
        bz_image,
        source: format!("{} {}", SOURCE.package, SOURCE.version),
        compiler,
    })
}

fn compile(building: &Building, wanted: &str) -> Result<()> {
    let package = building.scratch("package")?;
    unpack_package(&apt::fetch(&SOURCE)?, &package)?;
    step("unpacking the kernel's source");
    let source = building.scratch("source")?;
    unpack(&package.join(ARCHIVE), &source)?;

    let options = building.scratch("options")?.join("kernel.config");
    fs::write(&options, wanted)?;
    let objects = building.scratch("objects")?;
    patiently(
        make(&source, &objects)
            .arg("allnoconfig")
            .env("KCONFIG_ALLCONFIG", &options),
    )?;
    let config = fs::read_to_string(objects.join(".config"))?;
    let ignored = ignored(wanted, &config);
    ensure!(
        ignored.is_empty(),
        "Kconfig does not give what enclave/image/kernel.config asks for: {}; these depend on, or \
         are selected by, other options",
        ignored.join(", ")
    );

    step("building the kernel: about five minutes of processor time, once per machine");
    patiently(make(&source, &objects).args(["-j", JOBS, "bzImage"]))?;
    let built = objects.join("arch/x86/boot").join(BZ_IMAGE);
    fs::copy(&built, building.result().join(BZ_IMAGE))
        .with_context(|| format!("keeping {}", built.display()))?;
    fs::copy(objects.join(".config"), building.result().join("config"))?;
    Ok(())
}

/// make with all that could leave a trace in the kernel fixed.
fn make(source: &Path, objects: &Path) -> Command {
    let mut make = Command::new("make");
    make.arg("--silent")
        .arg(format!("--directory={}", source.display()))
        .arg(format!("O={}", objects.display()))
        .arg("ARCH=x86_64")
        .arg(format!(
            "KCFLAGS=-ffile-prefix-map={}=/linux -ffile-prefix-map={}=/linux",
            objects.display(),
            source.display()
        ));
    for (name, value) in FIXED {
        make.env(name, value);
    }
    for name in UNSET {
        make.env_remove(name);
    }
    make
}

/// The options that the configuration does not have as they were asked for.
fn ignored<'w>(wanted: &'w str, config: &str) -> Vec<&'w str> {
    let options = wanted.lines().filter(|line| option(line).is_some());
    options
        .filter(|line| {
            let (name, on) = option(line).unwrap_or_default();
            if on {
                !config.lines().any(|found| found == *line)
            } else {
                // Off is a comment, or nothing at all where a dependency is off too.
                config
                    .lines()
                    .any(|found| option(found) == Some((name, true)))
            }
        })
        .collect()
}

/// An option's name, and whether the line turns it on.
fn option(line: &str) -> Option<(&str, bool)> {
    if let Some(name) = line
        .strip_prefix("# ")
        .and_then(|line| line.strip_suffix(" is not set"))
    {
        return Some((name, false));
    }
    let (name, _) = line.split_once('=')?;
    name.starts_with("CONFIG_").then_some((name, true))
}

fn first_line(program: &str) -> Result<String> {
    let said = workspace::output(Command::new(program).arg("--version").env("LC_ALL", "C"))?;
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

const BZ_IMAGE: &str = "bzImage";
/// Two, as on the smallest machines that this is built on.
const JOBS: &str = "2";
/// Changes when the recipe does and nothing else would tell.
const RECIPE: &str = "kernel 1";
const SOURCE: Pinned = Pinned {
    package: "linux-source-6.12",
    version: "6.12.117-1~deb12u1",
    kind: Kind::Binary,
    sha256: "e849faf31ca3555757f3a8877cb01af92122f744f75d1f3102734651c4e14703",
};
/// In that package.
const ARCHIVE: &str = "usr/src/linux-source-6.12.tar.xz";
/// What the kernel would otherwise say about who built it, and when.
const FIXED: [(&str, &str); 7] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "sealsum"),
    ("KBUILD_BUILD_HOST", "sealsum"),
    ("KBUILD_BUILD_VERSION", "1"),
    ("SOURCE_DATE_EPOCH", "0"),
    ("LC_ALL", "C"),
    ("TZ", "UTC"),
];
/// What an outer make or a user's settings would add.
const UNSET: [&str; 18] = [
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "CROSS_COMPILE",
    "LOCALVERSION",
    "KCPPFLAGS",
    "KAFLAGS",
    "KRUSTFLAGS",
    "LLVM",
    "LLVM_IAS",
    "MAKEFILES",
    "GNUMAKEFLAGS",
    "CPATH",
    "C_INCLUDE_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "LIBRARY_PATH",
    "KCONFIG_CONFIG",
];
const PACKAGES: [Package; 8] = [
    Package {
        name: "gcc",
        purpose: "compiles the kernel",
    },
    Package {
        name: "libc6-dev",
        purpose: "the C library's headers, for tools of the kernel's build",
    },
    Package {
        name: "make",
        purpose: "runs the kernel's build",
    },
    Package {
        name: "flex",
        purpose: "the kernel's configuration is parsed with it",
    },
    Package {
        name: "bison",
        purpose: "the kernel's configuration is parsed with it",
    },
    Package {
        name: "libelf-dev",
        purpose: "objtool checks the kernel's object files",
    },
    Package {
        name: "bc",
        purpose: "computes the kernel's time constants",
    },
    Package {
        name: "xz-utils",
        purpose: "unpacks the kernel's source",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str =
        "CONFIG_64BIT=y\nCONFIG_NR_CPUS=64\n# CONFIG_MODULES is not set\nCONFIG_BLOCK=y\n";

    #[test]
    fn options_as_they_were_asked_for_are_not_complained_about() {
        let wanted = "# The machine.\nCONFIG_64BIT=y\nCONFIG_NR_CPUS=64\n\n# CONFIG_MODULES is not set\n# CONFIG_PCI is not set\n";
        assert!(ignored(wanted, CONFIG).is_empty());
    }

    #[test]
    fn an_option_that_kconfig_dropped_is_named() {
        assert_eq!(ignored("CONFIG_NSM=y\n", CONFIG), ["CONFIG_NSM=y"]);
        assert_eq!(ignored("CONFIG_NR_CPUS=6\n", CONFIG), ["CONFIG_NR_CPUS=6"]);
        assert_eq!(ignored("CONFIG_MODULES=y\n", CONFIG), ["CONFIG_MODULES=y"]);
    }

    #[test]
    fn an_option_that_kconfig_turned_on_is_named() {
        let off = "# CONFIG_BLOCK is not set";
        assert_eq!(ignored(off, CONFIG), [off]);
    }

    #[test]
    fn the_committed_options_ask_for_what_an_enclave_needs_and_no_more() {
        let path = workspace::root().join("enclave/image/kernel.config");
        let wanted = fs::read_to_string(path).unwrap();
        for on in [
            "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES=y",
            "CONFIG_NSM=y",
            "CONFIG_VIRTIO_VSOCKETS=y",
            "CONFIG_CPU_MITIGATIONS=y",
            "CONFIG_STACKPROTECTOR_STRONG=y",
            "CONFIG_RANDOMIZE_BASE=y",
            "CONFIG_STRICT_KERNEL_RWX=y",
        ] {
            assert!(wanted.lines().any(|line| line == on), "{on}");
        }
        for off in ["MODULES", "PCI", "ACPI", "INET", "BLOCK"] {
            let line = format!("# CONFIG_{off} is not set");
            assert!(wanted.lines().any(|found| found == line), "{line}");
        }
    }
}
