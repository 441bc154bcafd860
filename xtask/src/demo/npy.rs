//! Vectors as .npy files of 64-bit floats, the form in which the demo hands them over.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Writes one vector.
pub(crate) fn write(path: &Path, values: &[f64]) -> Result<()> {
    let length = values.len();
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({length},), }}");
    // The numbers begin at a multiple of 64 bytes, behind magic, version and length.
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&u16::try_from(header.len())?.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Reads a vector of `length` numbers.
pub(crate) fn read(path: &Path, length: usize) -> Result<Vec<f64>> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let is_doubles = bytes.starts_with(MAGIC) && bytes.windows(3).any(|part| part == b"<f8");
    ensure!(
        is_doubles && bytes.len() >= length * 8 + 10,
        "{} is not a .npy file of {length} 64-bit floats",
        path.display()
    );
    let numbers = bytes[bytes.len() - length * 8..].chunks_exact(8);
    numbers
        .map(|number| Ok(f64::from_le_bytes(number.try_into()?)))
        .collect()
}

/// With version 1.0.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
