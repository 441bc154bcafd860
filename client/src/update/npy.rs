//! The .npy format (NEP 1): one array of 16-, 32- or 64-bit little-endian floats in C order.
//!
//! Anything else is refused by name. The header is a Python literal; only the one dictionary that
//! numpy writes is read, with its three keys, each once.

use std::io::Read;

use sealsum_protocol::{Dtype, Schema, TensorSpec};
use zeroize::Zeroizing;

use super::file::{ContentError, TensorFile, width};
use super::numbers::{Numbers, pass_on};

/// What every .npy file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// What a header says.
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) shape: Vec<u64>,
    /// Bytes before the numbers.
    pub(super) start: u64,
}

impl Head {
    /// Reads the first bytes of a file; [`HEAD_LIMIT`] of them are always enough.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NpyError> {
        let (text, start) = header(bytes)?;
        let (kind, shape) = dictionary(text)?;
        Ok(Self {
            kind,
            shape,
            start: start as u64,
        })
    }

    /// The float type, and the length of the numbers, of a file of `length` bytes.
    pub(super) fn floats(&self, length: u64) -> Result<(Dtype, u64), NpyError> {
        let dtype = match &self.kind {
            Kind::Float(dtype) => *dtype,
            Kind::Integer(descr) => return Err(NpyError::Dtype(descr.clone())),
        };
        let mut product = Some(width(dtype) as u64);
        for side in &self.shape {
            product = product.and_then(|product| product.checked_mul(*side));
        }
        let expected = product.ok_or(NpyError::Shape)?;
        let found = length.saturating_sub(self.start);
        if found != expected {
            return Err(NpyError::Length { expected, found });
        }
        Ok((dtype, expected))
    }
}

/// What an array holds.
pub(super) enum Kind {
    Float(Dtype),
    /// Integers or booleans, by numpy's name.
    Integer(String),
}

/// Reads a file of `length` bytes: exactly header and numbers, no byte more.
pub(super) fn parse<N: Numbers>(
    mut source: impl Read,
    length: u64,
) -> Result<TensorFile<N>, ContentError> {
    let mut first = Zeroizing::new(Vec::with_capacity(HEAD_LIMIT as usize));
    source.by_ref().take(HEAD_LIMIT).read_to_end(&mut first)?;
    let head = Head::parse(&first)?;
    let (dtype, expected) = head.floats(length)?;
    let (name, shape) = (String::new(), head.shape);
    let tensors = vec![TensorSpec { name, shape, dtype }];
    let schema = Schema { tensors };
    let mut numbers = N::begin(&schema, expected);
    let begun = first.get(head.start as usize..).unwrap_or_default();
    let found = pass_on(begun.chain(source), (dtype, expected), &mut numbers)?;
    // It may have been cut since its length was asked for.
    if found != expected {
        return Err(NpyError::Length { expected, found }.into());
    }
    Ok(TensorFile {
        schema,
        numbers,
        left_out: Vec::new(),
    })
}

/// A one-dimensional array of 64-bit floats, as a file.
pub(super) fn format(values: &[f64]) -> Vec<u8> {
    let numbers: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    array("<f8", &[values.len() as u64], &numbers)
}

/// An array as a file.
pub(super) fn array(descr: &str, shape: &[u64], numbers: &[u8]) -> Vec<u8> {
    let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
    // A tuple of one needs its comma, more than one may have it.
    let mut header = format!(
        "{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}",
        sides.trim_end()
    );
    // The numbers begin at a multiple of 64 bytes, and a line break ends the header.
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes()].concat();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(numbers);
    bytes
}

/// The header's text, and where the numbers begin.
fn header(bytes: &[u8]) -> Result<(&str, usize), NpyError> {
    let after_magic = bytes.get(MAGIC.len()..).unwrap_or_default();
    let (&[major, minor], rest) = after_magic.split_first_chunk().ok_or(NpyError::Truncated)?;
    let (length, prefix) = match (major, minor) {
        (1, 0) => {
            let (length, _) = rest.split_first_chunk().ok_or(NpyError::Truncated)?;
            (u32::from(u16::from_le_bytes(*length)), 2)
        }
        (2 | 3, 0) => {
            let (length, _) = rest.split_first_chunk().ok_or(NpyError::Truncated)?;
            (u32::from_le_bytes(*length), 4)
        }
        _ => return Err(NpyError::Version { major, minor }),
    };
    if length > HEADER_LIMIT {
        return Err(NpyError::HeaderLength(length));
    }
    let text = rest
        .get(prefix..prefix + length as usize)
        .ok_or(NpyError::Truncated)?;
    let text = core::str::from_utf8(text).map_err(|_| NpyError::Header)?;
    Ok((text, MAGIC.len() + 2 + prefix + length as usize))
}

fn dictionary(text: &str) -> Result<(Kind, Vec<u64>), NpyError> {
    let mut literal = Literal(text);
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    literal.expect("{")?;
    while !literal.accept("}") {
        let key = literal.text()?;
        literal.expect(":")?;
        let twice = match key {
            "descr" => descr.replace(literal.descr()?).is_some(),
            "fortran_order" => fortran.replace(literal.boolean()?).is_some(),
            "shape" => shape.replace(literal.tuple()?).is_some(),
            _ => true,
        };
        if twice {
            return Err(NpyError::Header);
        }
        if !literal.accept(",") {
            literal.expect("}")?;
            break;
        }
    }
    if !literal.0.trim().is_empty() {
        return Err(NpyError::Header);
    }
    let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
        return Err(NpyError::Header);
    };
    let dtype = match descr {
        "<f2" => Dtype::F16,
        "<f4" => Dtype::F32,
        "<f8" => Dtype::F64,
        ">f2" | ">f4" | ">f8" => return Err(NpyError::BigEndian),
        other => match other.trim_start_matches(['<', '>', '|', '=']).as_bytes() {
            [b'i' | b'u' | b'b', b'1'..=b'8'] => {
                return Ok((Kind::Integer(other.to_owned()), shape));
            }
            [b'O', ..] => return Err(NpyError::Objects),
            _ => return Err(NpyError::Dtype(other.to_owned())),
        },
    };
    // One dimension is the same in both orders, and numpy may mark it either way.
    if fortran && shape.len() > 1 {
        return Err(NpyError::FortranOrder);
    }
    Ok((Kind::Float(dtype), shape))
}

/// The few Python literals that a header has.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn accept(&mut self, token: &str) -> bool {
        match self.0.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), NpyError> {
        self.accept(token).then_some(()).ok_or(NpyError::Header)
    }

    fn text(&mut self) -> Result<&'a str, NpyError> {
        let quote = if self.accept("'") {
            '\''
        } else {
            self.expect("\"")?;
            '"'
        };
        let (text, rest) = self.0.split_once(quote).ok_or(NpyError::Header)?;
        self.0 = rest;
        Ok(text)
    }

    /// A list instead of a text describes records.
    fn descr(&mut self) -> Result<&'a str, NpyError> {
        if self.0.trim_start().starts_with('[') {
            return Err(NpyError::Records);
        }
        self.text()
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        if self.accept("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    fn tuple(&mut self) -> Result<Vec<u64>, NpyError> {
        self.expect("(")?;
        let mut sides = Vec::new();
        while !self.accept(")") {
            sides.push(self.number()?);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(sides)
    }

    fn number(&mut self) -> Result<u64, NpyError> {
        let text = self.0.trim_start();
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        self.0 = rest;
        digits.parse().map_err(|_| NpyError::Shape)
    }
}

/// What is wrong with a .npy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// It ends inside its header.
    #[error("it ends inside its header: the file is truncated")]
    Truncated,
    /// A format version that does not exist.
    #[error("format version {major}.{minor}; known are 1.0, 2.0 and 3.0")]
    Version {
        /// Before the point.
        major: u8,
        /// After it.
        minor: u8,
    },
    /// A header that no array of floats needs.
    #[error("a header of {0} bytes; {HEADER_LIMIT} are the most")]
    HeaderLength(u32),
    /// Not the dictionary that numpy writes.
    #[error("its header is not the dictionary {{'descr', 'fortran_order', 'shape'}}, each once")]
    Header,
    /// A shape that is none.
    #[error("its shape has sides that are no numbers, or more elements than can be counted")]
    Shape,
    /// Pickled objects.
    #[error("it holds Python objects, which are never unpickled: save it as float32 or float64")]
    Objects,
    /// Structured records.
    #[error("it holds records: save each field as an array of its own")]
    Records,
    /// The other byte order.
    #[error("it is big-endian: save it with dtype '<f2', '<f4' or '<f8'")]
    BigEndian,
    /// Another number type.
    #[error("its numbers are {0:?}: convert them to '<f2', '<f4' or '<f8'")]
    Dtype(String),
    /// Column-major.
    #[error("it is in Fortran order: save numpy.ascontiguousarray(...) of it")]
    FortranOrder,
    /// Fewer or more bytes than the shape says.
    #[error("its shape needs {expected} bytes of numbers, {found} follow the header")]
    Length {
        /// By the shape.
        expected: u64,
        /// In the file.
        found: u64,
    },
}

/// numpy writes 118 bytes for any array of floats; 64 KiB is what format 1.0 could hold.
const HEADER_LIMIT: u32 = 65_536;
/// Magic, version and length stand before the header.
pub(super) const HEAD_LIMIT: u64 = HEADER_LIMIT as u64 + 12;

#[cfg(test)]
mod tests;
