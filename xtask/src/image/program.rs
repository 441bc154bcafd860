//! The image's one program, by the script that the Dockerfile calls too.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// Builds the program from the source at `root`. What is compiled is kept in the target folder,
/// under the digest of nothing: cargo knows what is stale.
pub(super) fn build(root: &Path, out: &Path) -> Result<PathBuf> {
    let script = root.join("enclave/image/build.sh");
    let status = Command::new(&script)
        .arg(out)
        .env(
            "SEALSUM_IMAGE_CACHE",
            workspace::target_dir()?.join("image-build"),
        )
        // Cargo's own settings for the process that it runs would reach the build.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .status()
        .with_context(|| format!("{} did not start", script.display()))?;
    if !status.success() {
        bail!("{} failed ({status})", script.display());
    }
    Ok(out.join("sealsum-enclave"))
}
