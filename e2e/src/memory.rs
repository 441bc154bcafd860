//! What another process holds in its writable memory, freed or not: heap, stacks, statics.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

/// All of a process's private writable memory that is not zero, in runs of whole pages.
pub struct MemoryImage(Vec<Vec<u8>>);

impl MemoryImage {
    /// Reads it, as whoever may trace the process can: its owner, or root. The process runs on
    /// meanwhile, so let it be idle.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let mut runs = Vec::new();
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let range = line.split_whitespace().next().unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
            let mut run = Vec::new();
            for at in (from..to).step_by(PAGE) {
                let mut page = [0; PAGE];
                // A page that can't be read, such as a device's, is none of the process's own.
                let read = memory.read_exact_at(&mut page, at).is_ok();
                if read && page != [0; PAGE] {
                    run.extend_from_slice(&page);
                } else if !run.is_empty() {
                    runs.push(core::mem::take(&mut run));
                }
            }
            runs.push(run);
        }
        Self(runs)
    }

    /// The runs of pages.
    pub fn runs(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

const PAGE: usize = 4096;
