//! Whether the walk's aggregate is the mean of its updates, by numpy's arithmetic in 64 bits.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace;

/// The largest difference of an element of the collected mean from numpy's.
pub(super) fn largest_difference(folder: &Path, path: &OsStr) -> Result<f64> {
    // Found by the walk's PATH, not by ours.
    let mut python = Command::new("/usr/bin/env");
    python.args(["python3", "-c", SCRIPT, MEAN]).args(UPDATES);
    python.env("PATH", path).current_dir(folder);
    let said = workspace::output(&mut python)?;
    said.trim()
        .parse()
        .with_context(|| format!("python3 said {said:?}, not a number"))
}

const SCRIPT: &str = "\
import sys
import numpy as np
from safetensors.numpy import load_file

def read(path):
    return dict(np.load(path)) if path.endswith('.npz') else load_file(path)

mean, *updates = map(read, sys.argv[1:])
assert all(update.keys() == mean.keys() for update in updates), 'other tensors'
print(max(
    float(np.abs(mean[name] - np.mean([update[name].astype('f8') for update in updates], axis=0)).max())
    for name in mean
))
";
/// As the README names them.
const MEAN: &str = "mean.npz";
const UPDATES: [&str; 3] = [
    "update-1.npz",
    "update-2.safetensors",
    "update-3.safetensors",
];
