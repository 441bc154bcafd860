//! The programs under test, built once per test run.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Once;

/// The path of a program of this workspace, freshly built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    // The test's own binary lies in TARGET/PROFILE/deps.
    let folder = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned();
    BUILD.call_once(|| {
        let target = folder.parent().unwrap();
        let release = folder.ends_with("release");
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--bins",
                "--workspace",
                "--exclude",
                "xtask",
            ])
            .args(release.then_some("--release"))
            .env("CARGO_TARGET_DIR", target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(built.success(), "the programs under test do not build");
    });
    folder.join(name)
}

/// Runs `sealsum` with arguments. It may log all that it can: on standard error.
#[must_use]
pub fn run(arguments: &[&str]) -> Output {
    Command::new(program("sealsum"))
        .args(arguments)
        .env("RUST_LOG", "trace")
        .output()
        .unwrap()
}
