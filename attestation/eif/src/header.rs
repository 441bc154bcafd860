//! The image's header: decides whether its own fields are those of version 4, and says where
//! sections claim to be. What it says of sections is believed only once [`crate::image`] has
//! found them there.

use crate::bad_image::BadImage;

/// The processor that an image is for. One bit of the header, not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Intel and AMD.
    X86_64,
    /// Graviton.
    Arm64,
}

impl Architecture {
    /// `"x86_64"` or `"aarch64"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}

pub(crate) struct Header {
    pub(crate) architecture: Architecture,
    /// Bytes.
    pub(crate) default_memory: u64,
    pub(crate) default_cpus: u64,
    /// Offset and size of each section, as the tables claim.
    pub(crate) entries: Vec<Entry>,
    pub(crate) checksum: u32,
}

/// A section's place in the header's tables.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadImage> {
        let head = bytes
            .get(..LENGTH)
            .ok_or(BadImage::TooShort { found: bytes.len() })?;
        Fields(head)
            .header()
            .ok_or(BadImage::TooShort { found: bytes.len() })?
    }

    /// The header's bytes, with its checksum.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&flags(self.architecture).to_be_bytes());
        bytes.extend_from_slice(&self.default_memory.to_be_bytes());
        bytes.extend_from_slice(&self.default_cpus.to_be_bytes());
        bytes.extend_from_slice(&0_u16.to_be_bytes());
        let count = u16::try_from(self.entries.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&count.to_be_bytes());
        let padded = |value: fn(&Entry) -> u64| {
            self.entries
                .iter()
                .map(value)
                .chain(core::iter::repeat(0))
                .take(MAX_SECTIONS)
                .flat_map(u64::to_be_bytes)
        };
        bytes.extend(padded(|entry| entry.offset));
        bytes.extend(padded(|entry| entry.size));
        bytes.extend_from_slice(&0_u32.to_be_bytes());
        bytes.extend_from_slice(&self.checksum.to_be_bytes());
        bytes
    }
}

/// The checksum of a whole image: CRC-32 (IEEE) over all but the checksum itself.
pub(crate) fn checksum(image: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(image.get(..CHECKSUM_OFFSET).unwrap_or_default());
    crc.update(image.get(LENGTH..).unwrap_or_default());
    crc.finalize()
}

const fn flags(architecture: Architecture) -> u16 {
    match architecture {
        Architecture::X86_64 => 0,
        Architecture::Arm64 => ARM64,
    }
}

/// The header's fields, taken from the front. `None` from any of them: there are no more bytes,
/// which a slice of [`LENGTH`] never shows.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn header(mut self) -> Option<Result<Header, BadImage>> {
        let magic = self.take::<4>()?;
        if magic != MAGIC {
            return Some(Err(BadImage::Magic { found: magic }));
        }
        let version = self.u16()?;
        if version != VERSION {
            return Some(Err(BadImage::Version { found: version }));
        }
        let architecture = match self.u16()? {
            0 => Architecture::X86_64,
            ARM64 => Architecture::Arm64,
            found => return Some(Err(BadImage::Flags { found })),
        };
        let default_memory = self.u64()?;
        let default_cpus = self.u64()?;
        let reserved = self.u16()?;
        if reserved != 0 {
            return Some(Err(BadImage::Reserved {
                offset: RESERVED_OFFSET,
                found: u32::from(reserved),
            }));
        }
        let found = self.u16()?;
        let count = usize::from(found);
        if !(1..=MAX_SECTIONS).contains(&count) {
            return Some(Err(BadImage::SectionCount { found }));
        }
        let offsets = self.table()?;
        let sizes = self.table()?;
        let unused = self.u32()?;
        if unused != 0 {
            return Some(Err(BadImage::Reserved {
                offset: UNUSED_OFFSET,
                found: unused,
            }));
        }
        let checksum = self.u32()?;
        let mut entries: Vec<_> = offsets
            .into_iter()
            .zip(sizes)
            .map(|(offset, size)| Entry { offset, size })
            .collect();
        let beyond = entries.split_off(count);
        if let Some(position) = beyond
            .iter()
            .position(|entry| (entry.offset, entry.size) != (0, 0))
        {
            return Some(Err(BadImage::UnusedEntry {
                entry: count.saturating_add(position),
                sections: count,
            }));
        }
        Some(Ok(Header {
            architecture,
            default_memory,
            default_cpus,
            entries,
            checksum,
        }))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn table(&mut self) -> Option<[u64; MAX_SECTIONS]> {
        let mut table = [0; MAX_SECTIONS];
        for entry in &mut table {
            *entry = self.u64()?;
        }
        Some(table)
    }
}

/// `.eif`, the first four bytes of every image.
pub const MAGIC: [u8; 4] = *b".eif";

/// The format's version since metadata was added; what nitro-cli writes.
pub(crate) const VERSION: u16 = 4;

/// The format's tables have so many places.
pub(crate) const MAX_SECTIONS: usize = 32;

/// 4 + 2 + 2 + 8 + 8 + 2 + 2 bytes, two tables of 32 x 8, 4 + 4 bytes.
pub(crate) const LENGTH: usize = 548;

/// The checksum is the header's last field.
const CHECKSUM_OFFSET: usize = 544;
const UNUSED_OFFSET: usize = 540;
const RESERVED_OFFSET: usize = 24;

/// The one flag that the format knows.
const ARM64: u16 = 1;
