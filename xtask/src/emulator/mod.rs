//! `cargo xtask emulator`: what boots enclave images, on any Linux.
//!
//! QEMU's `nitro-enclave` machine, from Debian's source package, and the vhost-user device that
//! gives it a vsock. It proves measurement, binding and transport; it signs nothing, and its speed
//! says nothing about Nitro. Its sources are pinned by digest, the tools that build it by version; it is built once per
//! machine, under the user's caches, and nothing of the machine itself is changed but, with
//! `--install`, the Debian packages that are missing.

pub(crate) mod apt;
pub(crate) mod cache;
pub(crate) mod packages;
mod qemu;
mod sources;
mod vsock;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

/// Flags of `cargo xtask emulator`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Install the Debian packages that are missing (as root)
    #[arg(long)]
    install: bool,
    /// Print one object with "qemu", "firmware" and "vhost_device_vsock"
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let emulator = Emulator::ready(options.install)?;
    if options.json {
        println!(
            "{}",
            json!({
                "qemu": emulator.qemu,
                "firmware": emulator.firmware,
                "vhost_device_vsock": emulator.vhost_device_vsock,
            })
        );
        return Ok(true);
    }
    println!("qemu                {}", emulator.qemu.display());
    for folder in &emulator.firmware {
        println!("firmware            {}", folder.display());
    }
    println!(
        "vhost-device-vsock  {}",
        emulator.vhost_device_vsock.display()
    );
    Ok(true)
}

/// The programs, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    pub(crate) qemu: PathBuf,
    /// Where QEMU looks for firmware.
    pub(crate) firmware: [PathBuf; 2],
    pub(crate) vhost_device_vsock: PathBuf,
}

impl Emulator {
    /// Built now, or earlier. With `install`, missing Debian packages are installed.
    pub(crate) fn ready(install: bool) -> Result<Self> {
        let mut inputs = vec![RECIPE];
        inputs.extend(qemu::inputs());
        inputs.extend(vsock::inputs());
        let folder = cache::built("emulator", &inputs, |building| {
            packages::ensure(&qemu::PACKAGES, install)?;
            qemu::build(building)?;
            vsock::build(building)
        })?;
        // Built earlier, perhaps, and the libraries that it runs with are gone since.
        let qemu = folder.join(qemu::PROGRAM);
        if !starts(&qemu) {
            packages::ensure(&qemu::PACKAGES, install)?;
            ensure!(
                starts(&qemu),
                "{} does not start; delete {} to build it again",
                qemu.display(),
                folder.display()
            );
        }
        let firmware = folder.join(qemu::FIRMWARE);
        Ok(Self {
            qemu,
            firmware: [firmware.join("seabios"), firmware.join("qemu")],
            vhost_device_vsock: folder.join(vsock::PROGRAM),
        })
    }
}

fn starts(program: &Path) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Says what takes long, where it does not mix with results.
pub(crate) fn step(what: &str) {
    eprintln!("sealsum: {what}");
}

/// Runs a long command at low priority; if it fails, the end of what it said is the error.
pub(crate) fn patiently(command: &Command) -> Result<()> {
    let mut nice = Command::new("nice");
    nice.args(["-n", "5"])
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        nice.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => nice.env(name, value),
            None => nice.env_remove(name),
        };
    }
    let output = nice
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{command:?} did not start"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!(
            "{} failed ({}):\n{}",
            command.get_program().display(),
            output.status,
            last_lines(&String::from_utf8_lossy(&said))
        );
    }
    Ok(())
}

/// Unpacks a source archive into a folder, without its outermost one.
pub(crate) fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    patiently(
        Command::new("tar")
            .args([
                "--extract",
                "--strip-components=1",
                "--no-same-owner",
                "--file",
            ])
            .arg(archive)
            .arg("--directory")
            .arg(folder),
    )
}

/// Unpacks a Debian package into a folder, without installing it.
pub(crate) fn unpack_package(package: &Path, folder: &Path) -> Result<()> {
    patiently(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(package)
            .arg(folder),
    )
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

const LINES: usize = 30;
/// Changes when the recipe does and nothing else would tell.
const RECIPE: &str = "emulator 1";

const EXAMPLES: &str = "Examples:
  cargo xtask emulator
  cargo xtask emulator --install --json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_says_what_it_said_last() {
        let script = "for i in $(seq 100); do echo line $i; done; echo the reason >&2; exit 3";
        let error = patiently(Command::new("sh").args(["-c", script])).unwrap_err();
        let text = error.to_string();
        assert!(text.ends_with("line 100\nthe reason"), "{text}");
        assert!(
            !text.contains("line 71\n") && text.contains("line 72\n"),
            "{text}"
        );
    }
}
