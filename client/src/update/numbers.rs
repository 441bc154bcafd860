//! Where a file's numbers go as they are read: a piece at a time, so that a model that is only
//! hashed is never whole in memory, and an update's bytes have no second copy beside its values.

use std::io::{self, ErrorKind, Read};

use sealsum_protocol::{Dtype, Schema};
use zeroize::Zeroize as _;

/// What is made of the numbers, in the layout's order.
pub(super) trait Numbers: Sized {
    /// Begins with the layout; `bytes` of numbers are to follow.
    fn begin(schema: &Schema, bytes: u64) -> Self;

    /// Takes the next numbers, little-endian. Bytes of a last one that is not whole don't count.
    fn take(&mut self, dtype: Dtype, piece: &[u8]);
}

/// Passes `bytes` of one type on, or as many as come, and returns how many that were.
pub(super) fn pass_on(
    source: impl Read,
    (dtype, bytes): (Dtype, u64),
    numbers: &mut impl Numbers,
) -> io::Result<u64> {
    let mut source = source.take(bytes);
    let mut piece = Piece::of_at_most(bytes);
    let mut passed = 0;
    loop {
        let filled = piece.fill(&mut source)?;
        numbers.take(dtype, &piece.0[..filled]);
        passed += filled as u64;
        if filled < piece.0.len() || passed == bytes {
            return Ok(passed);
        }
    }
}

/// Passes exactly `bytes` of one type on.
pub(super) fn pass_all(
    source: impl Read,
    (dtype, bytes): (Dtype, u64),
    numbers: &mut impl Numbers,
) -> io::Result<()> {
    if pass_on(source, (dtype, bytes), numbers)? == bytes {
        Ok(())
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// Room for whole numbers of any width; it may hold private ones, and is wiped.
struct Piece(Vec<u8>);

impl Piece {
    fn of_at_most(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(PIECE_BYTES);
        Self(vec![0; bytes.min(PIECE_BYTES)])
    }

    /// Less than the whole only at the end.
    fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        let mut filled = 0;
        while filled < self.0.len() {
            match source.read(&mut self.0[filled..]) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // As a slice: a vector is wiped byte by byte, ten times as slowly.
        self.0.as_mut_slice().zeroize();
    }
}

/// The bytes as they are.
#[cfg(test)]
impl Numbers for Vec<u8> {
    fn begin(_: &Schema, _: u64) -> Self {
        Self::new()
    }

    fn take(&mut self, _: Dtype, piece: &[u8]) {
        self.extend_from_slice(piece);
    }
}

/// Stays in a processor's cache, and is a multiple of every number's width.
const PIECE_BYTES: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, and is interrupted before each.
    struct Dripping<'a>(&'a [u8], bool);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn numbers_pass_whole_however_they_come() {
        let bytes: Vec<u8> = (0..2 * PIECE_BYTES + 24).map(|i| (i % 251) as u8).collect();
        for length in [0, 8, PIECE_BYTES, PIECE_BYTES + 8, bytes.len()] {
            let given = &bytes[..length];
            for declared in [length, length + 8] {
                let mut at_once = Vec::new();
                let of = (Dtype::F64, declared as u64);
                let passed = pass_on(given, of, &mut at_once).unwrap();
                assert_eq!((passed, &at_once[..]), (length as u64, given));
                let mut dripped = Vec::new();
                let passed = pass_on(Dripping(given, false), of, &mut dripped).unwrap();
                assert_eq!((passed, &dripped[..]), (length as u64, given));
            }
        }
        for missing in [0, 1] {
            let of = (Dtype::F64, (bytes.len() + missing) as u64);
            let all = pass_all(&bytes[..], of, &mut Vec::new());
            assert_eq!(all.is_ok(), missing == 0);
        }
        let mut less = Vec::new();
        let passed = pass_on(&bytes[..], (Dtype::F64, 16), &mut less).unwrap();
        assert_eq!((passed, &less[..]), (16, &bytes[..16]));
    }
}
