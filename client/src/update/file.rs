//! Tensor files: decides from a file's own first bytes what it is. A base model and an update are
//! read by the same code, so that both mean the same by a layout.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use sealsum_protocol::{Digest, Dtype, Schema};

use super::npy::{self, NpyError};
use super::npz::{self, NpzError};
use super::numbers::Numbers;
use super::selection::Selection;
use super::tensors::{self, SafetensorsError};

/// The tensors of a file: a layout, and what was made of its numbers.
pub(super) struct TensorFile<N> {
    pub(super) schema: Schema,
    pub(super) numbers: N,
    /// Names of selected tensors of integers or booleans, which are no part of an update.
    pub(super) left_out: Vec<String>,
}

impl<N: Numbers> TensorFile<N> {
    pub(super) fn read(path: &Path, selection: &Selection) -> Result<Self, TensorFileError> {
        open(path, |source| Self::parse(source, selection))
    }

    pub(super) fn parse(
        mut source: impl Read + Seek,
        selection: &Selection,
    ) -> Result<Self, ContentError> {
        let (format, length) = Format::of(&mut source)?;
        let file = match format {
            Format::Npy if !selection.is_all() => return Err(ContentError::NoNames),
            Format::Npy => npy::parse(source, length)?,
            Format::Npz => npz::parse(source, selection)?,
            Format::Safetensors => tensors::parse(source, length, selection)?,
        };
        match file.schema.dimension() {
            None | Some(0) if !file.left_out.is_empty() => {
                Err(ContentError::NoFloats(Names(file.left_out)))
            }
            None | Some(0) => Err(ContentError::Empty),
            Some(_) => Ok(file),
        }
    }
}

/// The digest of all tensors of floats in a file of named ones; `None` for an array without a name,
/// which is never selected from.
pub(super) fn whole_digest(path: &Path) -> Result<Option<Digest>, TensorFileError> {
    open(path, |mut source| {
        let (format, length) = Format::of(&mut source)?;
        match format {
            Format::Npy => Ok(None),
            Format::Npz => npz::whole_digest(source).map(Some),
            Format::Safetensors => tensors::whole_digest(source, length).map(Some),
        }
    })
}

fn open<T>(
    path: &Path,
    parse: impl FnOnce(File) -> Result<T, ContentError>,
) -> Result<T, TensorFileError> {
    let read = |error| TensorFileError::Read {
        path: path.to_owned(),
        error,
    };
    let source = File::open(path).map_err(read)?;
    parse(source).map_err(|error| match error {
        ContentError::Read(error) => read(error),
        error => TensorFileError::Content {
            path: path.to_owned(),
            error,
        },
    })
}

/// What a file is by its first bytes.
enum Format {
    Npy,
    Npz,
    Safetensors,
}

impl Format {
    /// The format, and the file's length in bytes.
    fn of(source: &mut (impl Read + Seek)) -> Result<(Self, u64), ContentError> {
        let mut first = Vec::new();
        source.by_ref().take(9).read_to_end(&mut first)?;
        let length = source.seek(io::SeekFrom::End(0))?;
        source.rewind()?;
        let format = if first.starts_with(npy::MAGIC) {
            Self::Npy
        } else if npz::looks_like_one(&first) {
            Self::Npz
        } else if tensors::looks_like_one(&first) {
            Self::Safetensors
        } else if matches!(first.as_slice(), [0x80, 2..=5, ..]) {
            return Err(ContentError::Pickle);
        } else {
            return Err(ContentError::Unknown);
        };
        Ok((format, length))
    }
}

/// What is selected of a file's tensors, in the order of their names.
pub(super) fn chosen<T>(
    mut named: Vec<(String, T)>,
    selection: &Selection,
) -> Result<Vec<(String, T)>, ContentError> {
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    if !named.is_empty() && !named.iter().any(|(name, _)| selection.takes(name)) {
        let names = named.into_iter().map(|(name, _)| name).collect();
        return Err(ContentError::NothingSelected(Names(names)));
    }
    named.retain(|(name, _)| selection.takes(name));
    Ok(named)
}

/// Tensor names as an error lists them: the first twenty, and how many more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl core::fmt::Display for Names {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (i, name) in self.0.iter().take(LISTED).enumerate() {
            write!(f, "{}{name:?}", if i == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// About a screen of them.
const LISTED: usize = 20;

/// Bytes of one number.
pub(super) const fn width(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F16 | Dtype::Bf16 => 2,
        Dtype::F32 => 4,
        Dtype::F64 => 8,
    }
}

/// Why a file is not a base model or an update. Whoever wrote it is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFileError {
    /// It can't be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ContentError,
    },
}

/// What is wrong with a tensor file's content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Reading failed.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// None of the formats.
    #[error("neither .npy, .npz nor .safetensors by its first bytes")]
    Unknown,
    /// A pickle.
    #[error("a pickle, which is never unpickled: save it as .npz or .safetensors")]
    Pickle,
    /// A selection by name from an array without one.
    #[error("a .npy array has no name to select or exclude by: use .npz or .safetensors")]
    NoNames,
    /// A selection that takes nothing.
    #[error("nothing is selected; the file has {0}")]
    NothingSelected(Names),
    /// Nothing but integers.
    #[error("it holds integers or booleans only, which are no part of an update: {0}")]
    NoFloats(Names),
    /// No numbers, or more than can be counted.
    #[error("the file holds no numbers")]
    Empty,
    /// A faulty .npy.
    #[error("not a usable .npy file: {0}")]
    Npy(#[from] NpyError),
    /// A faulty .npz.
    #[error("not a usable .npz file: {0}")]
    Npz(#[from] NpzError),
    /// A faulty .safetensors.
    #[error("not a usable .safetensors file: {0}")]
    Safetensors(#[from] SafetensorsError),
}
