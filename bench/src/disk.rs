//! Where rounds store what they store, and whether it has room.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::sys::statvfs::statvfs;

/// A file system in memory: a disk that costs nothing.
pub(crate) const MEMORY: &str = "/dev/shm";

/// Whether there is a memory file system with so much room, in bytes; else why it can't serve.
pub(crate) fn memory_has(needed: u64) -> Result<(), String> {
    has_room(Path::new(MEMORY), needed)
        .map_err(|error| format!("a memory file system stands for the disk: {error:#}"))
}

/// That a folder has so much room, in bytes.
pub(crate) fn has_room(folder: &Path, needed: u64) -> Result<()> {
    let disk = statvfs(folder)
        .with_context(|| format!("asking how much room {} has", folder.display()))?;
    let free = disk.blocks_available() * disk.fragment_size();
    ensure!(
        free > needed,
        "{} has {} MB free, {} MB are needed",
        folder.display(),
        free / 1_000_000,
        needed / 1_000_000
    );
    Ok(())
}
