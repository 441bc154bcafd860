//! The image's one program, by the script that the Dockerfile calls too.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Builds the program from the source at `root` into `out`; what is compiled is kept in `cache`.
pub(super) fn build(root: &Path, out: &Path, cache: &Path) -> Result<PathBuf> {
    let script = root.join("enclave/image/build.sh");
    let status = Command::new(&script)
        .arg(out)
        .env("SEALSUM_IMAGE_CACHE", cache)
        .status()
        .with_context(|| format!("{} did not start", script.display()))?;
    if !status.success() {
        bail!("{} failed ({status})", script.display());
    }
    Ok(out.join("sealsum-enclave"))
}
