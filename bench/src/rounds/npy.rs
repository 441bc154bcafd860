//! Updates and base models in files: arrays of 32-bit floats, as numpy writes them.

use std::path::Path;

use anyhow::{Result, ensure};
use bytes::Bytes;

/// Writes `values`.
pub(crate) fn write(path: &Path, values: impl Iterator<Item = f32>) -> Result<()> {
    let numbers: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    let mut header = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}",
        numbers.len() / 4
    );
    // The header's end is at a multiple of 64 bytes, and a line break.
    while !(BEFORE_HEADER + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len())?.to_le_bytes();
    let bytes = [
        b"\x93NUMPY\x01\x00",
        &length[..],
        header.as_bytes(),
        &numbers,
    ]
    .concat();
    Ok(std::fs::write(path, bytes)?)
}

/// What follows the header of a file that [`write()`] wrote.
pub(crate) fn numbers(file: Vec<u8>) -> Result<Bytes> {
    ensure!(
        file.len() >= BEFORE_HEADER,
        "a .npy file of {} bytes",
        file.len()
    );
    let begin = BEFORE_HEADER + usize::from(u16::from_le_bytes([file[8], file[9]]));
    ensure!(file.len() >= begin, "a .npy file that ends in its header");
    Ok(Bytes::from(file).slice(begin..))
}

/// Magic, version and the header's length.
const BEFORE_HEADER: usize = 10;
