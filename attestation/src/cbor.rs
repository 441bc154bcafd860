//! A strict CBOR reader: decides what counts as well-formed before any field is looked at.
//!
//! It trusts nothing. minicbor splits heads from contents and bounds every slice by the
//! input; on top of it this reader refuses what a lax decoder lets through: heads longer
//! than they need be, strings in chunks, and one type where another is due. It never
//! allocates, so a declared length costs nothing. Checklist 1 and 2.

use core::fmt;

use minicbor::data::Type;
use minicbor::decode::Decoder;

/// Why a CBOR item was refused, and at which byte of its container.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// The input ends inside an item, or where one is due.
    #[error("the bytes end inside the item at byte {offset}")]
    Truncated {
        /// Where the unfinished item starts.
        offset: usize,
    },
    /// An item of another type than the one due here.
    #[error("expected {expected} at byte {offset}, found {found}")]
    WrongType {
        /// Where the item starts.
        offset: usize,
        /// The type due here.
        expected: CborType,
        /// The type that is there.
        found: CborType,
    },
    /// A string, array or map of indefinite length where the hardware only sends definite ones.
    #[error("the item at byte {offset} has an indefinite length, which is not allowed there")]
    Indefinite {
        /// Where the item starts.
        offset: usize,
    },
    /// A length, tag or number in more bytes than it needs.
    #[error("the item at byte {offset} is not encoded in the fewest bytes")]
    NotMinimal {
        /// Where the item starts.
        offset: usize,
    },
    /// Text that is not UTF-8.
    #[error("the text at byte {offset} is not UTF-8")]
    NotUtf8 {
        /// Where the text starts.
        offset: usize,
    },
}

/// The CBOR types that the reader tells apart.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CborType {
    /// Major type 0.
    Unsigned,
    /// Major type 1.
    Negative,
    /// Major type 2.
    Bytes,
    /// Major type 3.
    Text,
    /// Major type 4.
    Array,
    /// Major type 5.
    Map,
    /// Major type 6.
    Tag,
    /// The simple value null.
    Null,
    /// A boolean, undefined or another simple value.
    Simple,
    /// A floating-point number.
    Float,
    /// The end of an indefinite-length item.
    Break,
    /// A head that RFC 8949 reserves.
    Reserved,
}

impl fmt::Display for CborType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "an unsigned integer",
            Self::Negative => "a negative integer",
            Self::Bytes => "a byte string",
            Self::Text => "text",
            Self::Array => "an array",
            Self::Map => "a map",
            Self::Tag => "a tag",
            Self::Null => "null",
            Self::Simple => "a simple value",
            Self::Float => "a floating-point number",
            Self::Break => "a break",
            Self::Reserved => "a reserved head",
        })
    }
}

/// Reads one item at a time from `input`.
pub(crate) struct Reader<'b> {
    decoder: Decoder<'b>,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(input: &'b [u8]) -> Self {
        Self {
            decoder: Decoder::new(input),
        }
    }

    /// Bytes not read yet.
    pub(crate) fn remaining(&self) -> usize {
        self.decoder
            .input()
            .len()
            .saturating_sub(self.decoder.position())
    }

    /// The type of the next item, which stays unread.
    pub(crate) fn next_type(&self) -> Result<CborType, CborError> {
        Ok(kind_of(self.raw_type()?))
    }

    /// Reads an unsigned integer.
    pub(crate) fn unsigned(&mut self) -> Result<u64, CborError> {
        let offset = self.expect(CborType::Unsigned)?;
        let value = self
            .decoder
            .u64()
            .map_err(|_| CborError::Truncated { offset })?;
        self.require_minimal(offset, value, 0)?;
        Ok(value)
    }

    /// Reads a tag's number; the tagged item comes next.
    pub(crate) fn tag(&mut self) -> Result<u64, CborError> {
        let offset = self.expect(CborType::Tag)?;
        let tag = self
            .decoder
            .tag()
            .map_err(|_| CborError::Truncated { offset })?;
        self.require_minimal(offset, tag.as_u64(), 0)?;
        Ok(tag.as_u64())
    }

    /// Reads a byte string of definite length.
    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], CborError> {
        let offset = self.expect_definite(CborType::Bytes)?;
        let bytes = self
            .decoder
            .bytes()
            .map_err(|_| CborError::Truncated { offset })?;
        self.require_minimal_length(offset, bytes.len())?;
        Ok(bytes)
    }

    /// Reads text of definite length.
    pub(crate) fn text(&mut self) -> Result<&'b str, CborError> {
        let offset = self.expect_definite(CborType::Text)?;
        let text = self.decoder.str().map_err(|error| {
            if error.is_end_of_input() {
                CborError::Truncated { offset }
            } else {
                CborError::NotUtf8 { offset }
            }
        })?;
        self.require_minimal_length(offset, text.len())?;
        Ok(text)
    }

    /// Reads the head of an array of definite length, and gives the number of its items.
    pub(crate) fn array(&mut self) -> Result<u64, CborError> {
        let offset = self.expect_definite(CborType::Array)?;
        let length = self
            .decoder
            .array()
            .map_err(|_| CborError::Truncated { offset })?
            .ok_or(CborError::Indefinite { offset })?;
        self.require_minimal(offset, length, 0)?;
        Ok(length)
    }

    /// Reads the head of a map, and gives the number of its entries, or `None` where a break ends it.
    pub(crate) fn map(&mut self) -> Result<Option<u64>, CborError> {
        let offset = self.expect(CborType::Map)?;
        let length = self
            .decoder
            .map()
            .map_err(|_| CborError::Truncated { offset })?;
        if let Some(length) = length {
            self.require_minimal(offset, length, 0)?;
        }
        Ok(length)
    }

    /// Reads the head of a map of definite length.
    pub(crate) fn definite_map(&mut self) -> Result<u64, CborError> {
        let offset = self.decoder.position();
        self.map()?.ok_or(CborError::Indefinite { offset })
    }

    /// Reads a break if one comes next, and says whether it did.
    pub(crate) fn take_break(&mut self) -> Result<bool, CborError> {
        self.take_if(CborType::Break)
    }

    /// Reads a null if one comes next, and says whether it did.
    pub(crate) fn take_null(&mut self) -> Result<bool, CborError> {
        self.take_if(CborType::Null)
    }

    fn take_if(&mut self, kind: CborType) -> Result<bool, CborError> {
        if self.next_type()? != kind {
            return Ok(false);
        }
        // Null and break are one byte each.
        self.decoder
            .set_position(self.decoder.position().saturating_add(1));
        Ok(true)
    }

    fn raw_type(&self) -> Result<Type, CborError> {
        self.decoder.datatype().map_err(|_| CborError::Truncated {
            offset: self.decoder.position(),
        })
    }

    /// 2: text where text and bytes where bytes are due, and no tag before either.
    fn expect(&self, expected: CborType) -> Result<usize, CborError> {
        let offset = self.decoder.position();
        let found = self.next_type()?;
        if found != expected {
            return Err(CborError::WrongType {
                offset,
                expected,
                found,
            });
        }
        Ok(offset)
    }

    /// 1, 2: no strings in chunks, no open ends but the outer map's.
    fn expect_definite(&self, expected: CborType) -> Result<usize, CborError> {
        let offset = self.expect(expected)?;
        match self.raw_type()? {
            Type::BytesIndef | Type::StringIndef | Type::ArrayIndef | Type::MapIndef => {
                Err(CborError::Indefinite { offset })
            }
            _ => Ok(offset),
        }
    }

    fn require_minimal_length(&self, offset: usize, length: usize) -> Result<(), CborError> {
        let argument = u64::try_from(length).unwrap_or(u64::MAX);
        self.require_minimal(offset, argument, length)
    }

    /// 1, 2: the shortest form. `content` bytes follow the head whose argument is `argument`: what remains is the head's size.
    fn require_minimal(
        &self,
        offset: usize,
        argument: u64,
        content: usize,
    ) -> Result<(), CborError> {
        let head = self
            .decoder
            .position()
            .checked_sub(offset)
            .and_then(|read| read.checked_sub(content));
        if head == Some(head_size(argument)) {
            Ok(())
        } else {
            Err(CborError::NotMinimal { offset })
        }
    }
}

/// RFC 8949, section 3: the fewest bytes that a head with this argument takes.
fn head_size(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

fn kind_of(raw: Type) -> CborType {
    match raw {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => CborType::Unsigned,
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => CborType::Negative,
        Type::Bytes | Type::BytesIndef => CborType::Bytes,
        Type::String | Type::StringIndef => CborType::Text,
        Type::Array | Type::ArrayIndef => CborType::Array,
        Type::Map | Type::MapIndef => CborType::Map,
        Type::Tag => CborType::Tag,
        Type::Null => CborType::Null,
        Type::Bool | Type::Undefined | Type::Simple => CborType::Simple,
        Type::F16 | Type::F32 | Type::F64 => CborType::Float,
        Type::Break => CborType::Break,
        Type::Unknown(_) => CborType::Reserved,
    }
}

#[cfg(test)]
mod tests;
