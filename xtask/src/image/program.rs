//! The image's one program, by the script that the Dockerfile calls too.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Builds the program from the source at `root` into `out`; what is compiled is kept in `cache`, and
/// the crates' sources in `cargo_home` if it is not to be the user's own.
pub(super) fn build(
    root: &Path,
    out: &Path,
    cache: &Path,
    cargo_home: Option<&Path>,
) -> Result<PathBuf> {
    let script = root.join("enclave/image/build.sh");
    let status = Command::new(&script)
        .arg(out)
        .env("SEALSUM_IMAGE_CACHE", cache)
        .envs(cargo_home.map(|folder| ("CARGO_HOME", folder)))
        .status()
        .with_context(|| format!("{} did not start", script.display()))?;
    if !status.success() {
        bail!("{} failed ({status})", script.display());
    }
    Ok(out.join("sealsum-enclave"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;
    use crate::workspace;

    /// What the script says when it stops before it compiles anything.
    fn refused(cargo_settings: &str, rustc: Option<&str>) -> String {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("cargo")).unwrap();
        fs::write(at("cargo/config.toml"), cargo_settings).unwrap();
        fs::create_dir_all(at("bin")).unwrap();
        if let Some(version) = rustc {
            let program = format!("#!/bin/sh\necho 'rustc {version} (0 0)'\n");
            fs::write(at("bin/rustc"), program).unwrap();
            fs::set_permissions(at("bin/rustc"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = std::env::var("PATH").unwrap();
        let output = Command::new(workspace::root().join("enclave/image/build.sh"))
            .arg(at("out"))
            .env("CARGO_HOME", at("cargo"))
            .env("PATH", format!("{}:{path}", at("bin").display()))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(!at("out/sealsum-enclave").exists());
        String::from_utf8(output.stderr).unwrap()
    }

    #[test]
    fn cargo_settings_that_reach_the_program_are_refused_by_name() {
        for (settings, name) in [
            ("[profile.release]\nopt-level = 1\n", "[profile]"),
            (
                "[net]\nretry = 2\n\n  [target.x86_64-unknown-linux-gnu]\nlinker = \"mold\"\n",
                "[target]",
            ),
            ("build.rustc-wrapper = \"other\"\n", "build.rustc-wrapper"),
            ("[[patch.crates-io]]\n", "[patch]"),
            ("[env]\nCC = \"other\"\n", "[env]"),
        ] {
            let said = refused(settings, None);
            assert!(said.contains(&format!("sets {name}")), "{settings}: {said}");
        }
    }

    #[test]
    fn another_compiler_is_refused() {
        let said = refused("", Some("1.94.0"));
        assert!(
            said.contains("rustc is 1.94.0, and images are built with"),
            "{said}"
        );
    }
}
