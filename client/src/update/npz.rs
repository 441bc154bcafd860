//! The .npz format: a zip of .npy members, named without that ending, in the order of their names.
//!
//! Nothing is believed about a member's size: what the archive declares must be what the array's
//! header needs, must be possible for deflate to have packed, and must be what comes out.

use std::io::{Read, Seek};

use sealsum_protocol::{Digest, Schema, TensorSpec};
use zeroize::Zeroizing;
use zip::ZipArchive;
use zip::result::ZipError;

use super::file::{ContentError, TensorFile, chosen};
use super::npy::{HEAD_LIMIT, Head, Kind, NpyError};
use super::numbers::{Numbers, pass_all, pass_on};
use super::selection::Selection;
use super::whole::ModelDigest;

/// Whether the first bytes are those of a zip archive, an empty one too.
pub(super) fn looks_like_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// Reads the members that are selected; the others are not looked at.
pub(super) fn parse<N: Numbers>(
    source: impl Read + Seek,
    selection: &Selection,
) -> Result<TensorFile<N>, ContentError> {
    let mut archive = ZipArchive::new(source).map_err(NpzError::Zip)?;
    let members = chosen(members(&archive)?, selection)?;
    let mut left_out = Vec::new();
    let mut tensors = Vec::new();
    let mut places = Vec::new();
    let mut total = 0_u64;
    for (name, index) in members {
        let of = |error| NpzError::member(&name, error);
        let mut member = archive
            .by_index(index)
            .map_err(|error| NpzError::broken(&name, error))?;
        let (size, packed) = (member.size(), member.compressed_size());
        let head = head(&mut member, &name)?.map_err(of)?;
        if matches!(head.kind, Kind::Integer(_)) {
            left_out.push(name);
            continue;
        }
        let (dtype, length) = head.floats(size).map_err(of)?;
        total = total.saturating_add(length);
        if size
            > packed
                .saturating_mul(DEFLATE_RATIO)
                .saturating_add(HEAD_LIMIT)
            || total > TOTAL_LIMIT
        {
            return Err(NpzError::Size {
                member: name,
                size,
                packed,
            }
            .into());
        }
        places.push((index, head.start, length));
        let shape = head.shape;
        tensors.push(TensorSpec { name, shape, dtype });
    }
    let schema = Schema { tensors };
    let mut numbers = N::begin(&schema, total);
    for (spec, (index, start, length)) in schema.tensors.iter().zip(places) {
        let broken = |error| NpzError::broken(&spec.name, error);
        let mut member = archive.by_index(index).map_err(broken)?;
        let mut skipped = Zeroizing::new(Vec::new());
        let read = member.by_ref().take(start).read_to_end(&mut skipped);
        let read = read.and_then(|_| pass_on(&mut member, (spec.dtype, length), &mut numbers));
        // The end has to be read as well: only there the checksum is compared.
        let read = read.and_then(|passed| {
            let more = member.by_ref().take(1).read_to_end(&mut skipped)?;
            Ok(passed.saturating_add(more as u64))
        });
        let found = read.map_err(|error| broken(error.into()))?;
        if found != length {
            return Err(NpzError::member(
                &spec.name,
                NpyError::Length {
                    expected: length,
                    found,
                },
            )
            .into());
        }
    }
    Ok(TensorFile {
        schema,
        numbers,
        left_out,
    })
}

/// The digest of all members that are arrays of floats.
pub(super) fn whole_digest(source: impl Read + Seek) -> Result<Digest, ContentError> {
    let mut archive = ZipArchive::new(source).map_err(NpzError::Zip)?;
    let mut tensors = Vec::new();
    let mut places = Vec::new();
    for (name, index) in chosen(members(&archive)?, &Selection::all())? {
        let mut member = archive
            .by_index(index)
            .map_err(|error| NpzError::broken(&name, error))?;
        let size = member.size();
        // What could not be selected is no part of the model.
        let Ok(head) = head(&mut member, &name)? else {
            continue;
        };
        let Ok((dtype, length)) = head.floats(size) else {
            continue;
        };
        places.push((index, head.start, length));
        let shape = head.shape;
        tensors.push(TensorSpec { name, shape, dtype });
    }
    let total = places.iter().map(|(_, _, length)| length);
    let total = total.fold(0_u64, |total, length| total.saturating_add(*length));
    let schema = Schema { tensors };
    let mut digest = ModelDigest::begin(&schema, total);
    for (spec, (index, start, length)) in schema.tensors.iter().zip(places) {
        let broken = |error| NpzError::broken(&spec.name, error);
        let mut member = archive.by_index(index).map_err(broken)?;
        let skipped = std::io::copy(&mut member.by_ref().take(start), &mut std::io::sink());
        skipped
            .and_then(|_| pass_all(&mut member, (spec.dtype, length), &mut digest))
            // The end has to be read as well: only there the checksum is compared.
            .and_then(|()| std::io::copy(&mut member, &mut std::io::sink()))
            .map_err(|error| broken(error.into()))?;
    }
    Ok(digest.finish())
}

/// A member's head; the outer error if it can't be unpacked.
fn head(member: &mut impl Read, name: &str) -> Result<Result<Head, NpyError>, NpzError> {
    let mut first = Zeroizing::new(Vec::with_capacity(HEAD_LIMIT as usize));
    let read = member.take(HEAD_LIMIT).read_to_end(&mut first);
    read.map_err(|error| NpzError::broken(name, error.into()))?;
    Ok(Head::parse(&first))
}

fn members<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<Vec<(String, usize)>, NpzError> {
    if archive.has_duplicate_names() {
        return Err(NpzError::Twice);
    }
    let mut members = Vec::with_capacity(archive.len());
    for (index, name) in archive.file_names().enumerate() {
        let name = name.map_err(NpzError::Zip)?;
        match name.strip_suffix(".npy") {
            Some(name) => members.push((name.to_owned(), index)),
            None => return Err(NpzError::NoArray(name.into_owned())),
        }
    }
    Ok(members)
}

/// What is wrong with a .npz file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpzError {
    /// The archive itself.
    #[error("{0}")]
    Zip(ZipError),
    /// Two members of one name: readers differ on which counts.
    #[error("it has two members of one name")]
    Twice,
    /// Something else than an array, such as a checkpoint's pickle.
    #[error(
        "its member {0:?} is not a .npy array; pickles and checkpoints are never unpickled: save the arrays with numpy.savez, or as .safetensors"
    )]
    NoArray(String),
    /// A member that can't be unpacked.
    #[error("its member {member:?} can't be unpacked: {error}")]
    Broken {
        /// Its name.
        member: String,
        /// Why.
        error: ZipError,
    },
    /// A member that is no usable array.
    #[error("its member {member:?}: {error}")]
    Member {
        /// Its name.
        member: String,
        /// Why.
        error: NpyError,
    },
    /// A member larger than deflate could have packed, or a file beyond the planner's dimension.
    #[error(
        "its member {member:?} claims {size} bytes, packed into {packed}: more than deflate can pack, or than a round takes"
    )]
    Size {
        /// Its name.
        member: String,
        /// Declared bytes when unpacked.
        size: u64,
        /// Declared bytes in the archive.
        packed: u64,
    },
}

impl NpzError {
    fn member(name: &str, error: NpyError) -> Self {
        let member = name.to_owned();
        Self::Member { member, error }
    }

    fn broken(name: &str, error: ZipError) -> Self {
        let member = name.to_owned();
        Self::Broken { member, error }
    }
}

/// Deflate packs 258 bytes into 2 bits at best: 1032 to 1.
const DEFLATE_RATIO: u64 = 1032;
/// 2^32 elements, where the planner's dimension ends, of 8 bytes.
const TOTAL_LIMIT: u64 = 8 << 32;

#[cfg(test)]
mod tests;
