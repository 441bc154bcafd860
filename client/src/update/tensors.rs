//! The .safetensors format: named tensors of floats, taken in the order of their names.
//!
//! The format's own crate checks header, offsets and lengths; decided here is which number types
//! are an update. Only selected tensors are read, so that an adapter doesn't cost its whole model.

use std::io::{Read, Seek, SeekFrom};

use safetensors::Dtype as FileDtype;
use safetensors::tensor::{Metadata, SafeTensorError, TensorInfo};
use sealsum_protocol::{Digest, Dtype, Schema, TensorSpec};

use super::file::{ContentError, TensorFile, chosen};
use super::numbers::{Numbers, pass_all};
use super::selection::Selection;
use super::whole::ModelDigest;

/// Whether the first bytes are a header's length and its opening brace.
pub(super) fn looks_like_one(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// Reads a file of `length` bytes.
pub(super) fn parse<N: Numbers>(
    mut source: impl Read + Seek,
    length: u64,
    selection: &Selection,
) -> Result<TensorFile<N>, ContentError> {
    let (metadata, start) = metadata(&mut source, length)?;
    let infos = metadata.tensors().into_iter().collect();
    let mut schema = Schema {
        tensors: Vec::new(),
    };
    let mut places = Vec::new();
    let mut left_out = Vec::new();
    for (name, info) in chosen(infos, selection)? {
        let Some(dtype) = dtype(&name, info.dtype)? else {
            left_out.push(name);
            continue;
        };
        places.push(place(start, info));
        schema.tensors.push(spec(name, info, dtype));
    }
    // Offsets don't overlap and end with the file, so this is less than its length.
    let numbers = numbers(&mut source, &schema, &places)?;
    Ok(TensorFile {
        schema,
        numbers,
        left_out,
    })
}

/// What is made of the numbers of tensors at these places.
fn numbers<N: Numbers>(
    source: &mut (impl Read + Seek),
    schema: &Schema,
    places: &[(u64, u64)],
) -> Result<N, ContentError> {
    let mut numbers = N::begin(schema, places.iter().map(|(_, bytes)| bytes).sum());
    for (tensor, (begin, bytes)) in schema.tensors.iter().zip(places) {
        source.seek(SeekFrom::Start(*begin))?;
        pass_all(&mut *source, (tensor.dtype, *bytes), &mut numbers)?;
    }
    Ok(numbers)
}

/// The digest of all tensors of floats, in a file of `length` bytes.
pub(super) fn whole_digest(
    mut source: impl Read + Seek,
    length: u64,
) -> Result<Digest, ContentError> {
    let (metadata, start) = metadata(&mut source, length)?;
    let infos = metadata.tensors().into_iter().collect();
    let mut tensors = Vec::new();
    let mut places = Vec::new();
    for (name, info) in chosen(infos, &Selection::all())? {
        // What could not be selected is no part of the model.
        if let Ok(Some(dtype)) = dtype(&name, info.dtype) {
            places.push(place(start, info));
            tensors.push(spec(name, info, dtype));
        }
    }
    let digest: ModelDigest = numbers(&mut source, &Schema { tensors }, &places)?;
    Ok(digest.finish())
}

fn spec(name: String, info: &TensorInfo, dtype: Dtype) -> TensorSpec {
    let shape = info.shape.iter().map(|side| *side as u64).collect();
    TensorSpec { name, shape, dtype }
}

/// Where in the file a tensor's numbers begin, and how many bytes they are.
fn place(start: u64, info: &TensorInfo) -> (u64, u64) {
    let (begin, end) = info.data_offsets;
    (start + begin as u64, (end - begin) as u64)
}

/// The header, and where the numbers begin.
fn metadata(source: &mut (impl Read + Seek), length: u64) -> Result<(Metadata, u64), ContentError> {
    let mut bytes = [0; 8];
    source.read_exact(&mut bytes)?;
    let header = u64::from_le_bytes(bytes);
    if header > HEADER_LIMIT {
        return Err(form(SafeTensorError::HeaderTooLarge));
    }
    let start = header + 8;
    if start > length {
        return Err(SafetensorsError::Truncated {
            expected: start,
            found: length,
        }
        .into());
    }
    let mut text = Vec::new();
    source.take(header).read_to_end(&mut text)?;
    let metadata: Metadata = serde_json::from_slice(&text)
        .map_err(|error| form(SafeTensorError::InvalidHeaderDeserialization(error)))?;
    match start.checked_add(metadata.data_len() as u64) {
        Some(expected) if expected == length => {}
        Some(expected) if expected > length => {
            return Err(SafetensorsError::Truncated {
                expected,
                found: length,
            }
            .into());
        }
        _ => return Err(form(SafeTensorError::MetadataIncompleteBuffer)),
    }
    Ok((metadata, start))
}

fn form(error: SafeTensorError) -> ContentError {
    SafetensorsError::Form(error).into()
}

/// `None` for integers and booleans, such as counters, which have no place in a mean.
fn dtype(name: &str, dtype: FileDtype) -> Result<Option<Dtype>, SafetensorsError> {
    match dtype {
        FileDtype::F16 => Ok(Some(Dtype::F16)),
        FileDtype::BF16 => Ok(Some(Dtype::Bf16)),
        FileDtype::F32 => Ok(Some(Dtype::F32)),
        FileDtype::F64 => Ok(Some(Dtype::F64)),
        FileDtype::BOOL
        | FileDtype::U8
        | FileDtype::I8
        | FileDtype::U16
        | FileDtype::I16
        | FileDtype::U32
        | FileDtype::I32
        | FileDtype::U64
        | FileDtype::I64 => Ok(None),
        other => Err(SafetensorsError::Dtype {
            tensor: name.to_owned(),
            dtype: other,
        }),
    }
}

/// What is wrong with a .safetensors file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// It ends before its numbers do.
    #[error(
        "it is cut off: its header speaks of {expected} bytes, the file has {found}; copy it again"
    )]
    Truncated {
        /// By the header.
        expected: u64,
        /// In the file.
        found: u64,
    },
    /// Header, offsets or lengths.
    #[error(
        "its header does not describe what follows it ({0}); save it again with the safetensors library"
    )]
    Form(#[from] SafeTensorError),
    /// A tensor of packed floats or complex numbers.
    #[error(
        "tensor {tensor:?} has numbers of type {dtype:?}; an update is made of F16, BF16, F32 or F64: convert it, or leave it out with --exclude"
    )]
    Dtype {
        /// Which one.
        tensor: String,
        /// Its number type.
        dtype: FileDtype,
    },
}

/// The format's own limit, 100 MB.
const HEADER_LIMIT: u64 = 100_000_000;

#[cfg(test)]
mod tests {
    use super::super::Values;
    use super::super::write::{FileFormat, to_file};
    use super::*;
    use std::io::Cursor;

    fn parse(bytes: &[u8]) -> Result<TensorFile<Vec<u8>>, ContentError> {
        super::parse(Cursor::new(bytes), bytes.len() as u64, &Selection::all())
    }

    fn format(schema: &Schema, values: &[f64]) -> Result<Vec<u8>, super::super::WriteError> {
        to_file(FileFormat::Safetensors, schema, values)
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    const TWO: &str = r#"{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}}"#;

    #[test]
    fn tensors_come_in_the_order_of_their_names() {
        let read = parse(&file(TWO, &[1, 2, 3, 4, 5, 6, 7, 8])).unwrap();
        let names: Vec<_> = read
            .schema
            .tensors
            .iter()
            .map(|t| t.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(read.numbers, [5, 6, 7, 8, 1, 2, 3, 4]);
    }

    #[test]
    fn what_is_written_is_read_back_in_every_width() {
        let dtypes = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];
        let tensors = dtypes
            .into_iter()
            .enumerate()
            .map(|(i, dtype)| TensorSpec {
                name: format!("t{i}"),
                shape: vec![1, 2],
                dtype,
            })
            .collect();
        let schema = Schema { tensors };
        let values = [0.5, -1.0, 2.0, 0.25, 1.5, -8.0, 0.1, 1e300];
        let bytes = format(&schema, &values).unwrap();
        let source = Cursor::new(&bytes);
        let read: TensorFile<Values> =
            super::parse(source, bytes.len() as u64, &Selection::all()).unwrap();
        assert_eq!(read.schema, schema);
        assert!(read.numbers.doubles().eq(values));
        assert!(format(&schema, &values[1..]).is_err());
    }

    #[test]
    fn integers_are_left_out_and_packed_floats_refused_by_their_name() {
        let header = TWO.replace("F16", "I16");
        let read = parse(&file(&header, &[0; 8])).unwrap();
        assert_eq!(read.left_out, ["a"]);
        assert_eq!(read.schema.tensors.len(), 1);
        let header = TWO.replace("\"F16\",\"shape\":[2]", "\"F8_E4M3\",\"shape\":[4]");
        let error = parse(&file(&header, &[0; 8])).err().unwrap().to_string();
        assert!(
            error.contains("\"a\"") && error.contains("F8_E4M3"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_selected_is_not_looked_at() {
        let bytes = file(&TWO.replace("F16", "I16"), &[1, 2, 3, 4, 5, 6, 7, 8]);
        let only = Selection::new(vec!["b".to_owned()], Vec::new());
        let read: TensorFile<Vec<u8>> =
            super::parse(Cursor::new(&bytes), bytes.len() as u64, &only).unwrap();
        assert_eq!((read.numbers, read.left_out), (vec![1, 2, 3, 4], vec![]));
        let none = Selection::new(vec!["c*".to_owned()], Vec::new());
        let error = super::parse::<Vec<u8>>(Cursor::new(&bytes), bytes.len() as u64, &none);
        let error = error.err().unwrap().to_string();
        assert!(error.contains("\"a\", \"b\""), "{error}");
    }

    #[test]
    fn a_file_cut_anywhere_or_with_a_byte_more_is_refused() {
        let mut whole = file(TWO, &[0; 8]);
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{end}");
        }
        whole.push(0);
        assert!(parse(&whole).is_err());
    }

    #[test]
    fn a_truncated_file_is_said_to_be_one() {
        let whole = file(TWO, &[0; 8]);
        for cut in [1, 7, 20] {
            let error = parse(&whole[..whole.len() - cut])
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains("it is cut off"), "{error}");
        }
    }

    #[test]
    fn offsets_that_lie_are_refused() {
        for header in [
            TWO.replace("[2]", "[3]"),
            TWO.replace("[4,8]", "[2,6]"),
            TWO.replace("[4,8]", "[8,4]"),
            TWO.replace("[2]", "[18446744073709551615,2]"),
            TWO.replace("[4,8]", "[4,1000000]"),
        ] {
            assert!(parse(&file(&header, &[0; 8])).is_err(), "{header}");
        }
    }
}
