//! What a mock measures: its own executable, in place of an enclave image.
//!
//! Each register is built as hardware builds it from an image's parts,
//! SHA384(48 zero bytes || SHA384(part)), so a rebuilt mock has other values and
//! a policy that names the old ones refuses it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA384};

use crate::pcr::{PCR_LEN, ZERO, extend};

/// What an enclave was started from: the three registers that a policy must
/// name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// The whole image.
    pub pcr0: [u8; PCR_LEN],
    /// On hardware, the kernel and the first ramdisk.
    pub pcr1: [u8; PCR_LEN],
    /// On hardware, the other ramdisks.
    pub pcr2: [u8; PCR_LEN],
}

/// Measures a file: PCR0 = SHA384(0^48 || SHA384(file)); PCR1 and PCR2 likewise
/// over a label and the file's digest, so that none is zero and none equals
/// another. Reads in pieces; memory does not grow with the file.
///
/// # Errors
/// When the file can't be opened or read.
pub fn measure_executable(path: impl AsRef<Path>) -> Result<Measurement, MeasureError> {
    let path = path.as_ref();
    let digest = digest_of(path).map_err(|source| MeasureError {
        path: path.to_owned(),
        source,
    })?;
    Ok(Measurement {
        pcr0: extend(&ZERO, &digest),
        pcr1: extend(&ZERO, &labelled(PCR1_LABEL, &digest)),
        pcr2: extend(&ZERO, &labelled(PCR2_LABEL, &digest)),
    })
}

/// The file to measure can't be read.
#[derive(Debug, thiserror::Error)]
#[error("can't measure {path}: {source}; give a file that this process may read", path = path.display())]
pub struct MeasureError {
    /// The file asked for.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

fn digest_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA384);
    let mut piece = vec![0; PIECE_LEN];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(context.finish().as_ref().to_vec()),
            Ok(read) => context.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn labelled(label: &[u8], digest: &[u8]) -> Vec<u8> {
    let mut context = Context::new(&SHA384);
    context.update(label);
    context.update(digest);
    context.finish().as_ref().to_vec()
}

const PIECE_LEN: usize = 64 * 1024;
const PCR1_LABEL: &[u8] = b"sealsum-mock pcr1";
const PCR2_LABEL: &[u8] = b"sealsum-mock pcr2";

#[cfg(test)]
mod tests {
    use ring::digest::digest;

    use super::*;

    #[test]
    fn a_measurement_follows_the_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, c) = (
            dir.path().join("a"),
            dir.path().join("b"),
            dir.path().join("c"),
        );
        // Longer than a piece, so that the loop goes round.
        let content = vec![7; PIECE_LEN + 1];
        std::fs::write(&a, &content).unwrap();
        std::fs::write(&b, &content).unwrap();
        std::fs::write(&c, &content[1..]).unwrap();
        let measured = measure_executable(&a).unwrap();
        assert_eq!(measured, measure_executable(&b).unwrap());
        let other = measure_executable(&c).unwrap();
        assert_ne!(measured.pcr0, other.pcr0);
        assert_ne!(measured.pcr1, other.pcr1);
        assert_ne!(measured.pcr2, other.pcr2);
        let inner = digest(&SHA384, &content);
        let outer = digest(&SHA384, &[&[0; 48][..], inner.as_ref()].concat());
        assert_eq!(measured.pcr0[..], *outer.as_ref());
        assert_ne!(measured.pcr0, measured.pcr1);
        assert_ne!(measured.pcr1, measured.pcr2);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = measure_executable("no/such/file").unwrap_err();
        assert!(error.to_string().contains("no/such/file"));
    }
}
