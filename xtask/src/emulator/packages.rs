//! Debian packages that a build needs: which are missing, what each is for, and how to get them.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::step;

/// A package, and what needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
}

/// Sees to it that all of these are installed; with `install`, by installing what is missing.
pub(crate) fn ensure(wanted: &[Package], install: bool) -> Result<()> {
    let missing = missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !install {
        bail!("{}", advice(&missing));
    }
    let names = names(&missing);
    step(&format!("installing {}", names.join(" ")));
    apt(&["update"])?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(&names);
    apt(&arguments)
}

fn missing(wanted: &[Package]) -> Result<Vec<Package>> {
    let mut missing = Vec::new();
    for package in wanted {
        let output = Command::new("dpkg-query")
            .args(["--show", "--showformat=${db:Status-Abbrev}", package.name])
            .stderr(Stdio::null())
            .output()
            .context("dpkg-query did not start: this builds from Debian 12's packages only")?;
        if !output.stdout.starts_with(INSTALLED) {
            missing.push(*package);
        }
    }
    Ok(missing)
}

fn advice(missing: &[Package]) -> String {
    let mut text = String::from("these Debian packages are missing:\n");
    for package in missing {
        text += &format!("  {:<16} {}\n", package.name, package.purpose);
    }
    text += &format!(
        "install them, or call this again with --install as root:\n  apt-get install --no-install-recommends {}",
        names(missing).join(" ")
    );
    text
}

fn names(packages: &[Package]) -> Vec<&'static str> {
    packages.iter().map(|package| package.name).collect()
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .arg("-qq")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("apt-get did not start")?;
    if !output.status.success() {
        bail!(
            "apt-get {} failed (--install needs root): {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// dpkg's abbreviation for "wanted, and installed".
const INSTALLED: &[u8] = b"ii";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_purpose_and_its_remedy() {
        let text = advice(&[
            Package {
                name: "libcbor-dev",
                purpose: "QEMU's NSM device writes CBOR",
            },
            Package {
                name: "bc",
                purpose: "the kernel's build computes constants",
            },
        ]);
        assert!(text.contains("libcbor-dev      QEMU's NSM device writes CBOR\n"));
        assert!(text.contains("bc               the kernel's build computes constants\n"));
        assert!(text.ends_with("\n  apt-get install --no-install-recommends libcbor-dev bc"));
    }

    #[test]
    fn dpkg_knows_what_is_installed() {
        let package = |name| Package { name, purpose: "" };
        let absent = package("sealsum-no-such-package");
        if Command::new("dpkg-query")
            .arg("--version")
            .output()
            .is_err()
        {
            // Not Debian: then that is what whoever builds is told.
            assert!(missing(&[absent]).is_err());
            return;
        }
        assert_eq!(missing(&[package("dpkg"), absent]).unwrap(), [absent]);
    }
}
