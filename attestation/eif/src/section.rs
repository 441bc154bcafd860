//! Sections: what an image is made of, and which register each of them is measured into.

use core::fmt;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionKind {
    /// The kernel. Measured into PCR0 and PCR1.
    Kernel,
    /// The kernel's command line. Measured into PCR0 and PCR1.
    CommandLine,
    /// An initial ramdisk. Measured into PCR0; the first into PCR1, the others into PCR2.
    Ramdisk,
    /// A signature over PCR0. Not measured, but its certificate is, into PCR8.
    Signature,
    /// Who built the image, when and from what, as JSON. Not measured.
    Metadata,
}

impl SectionKind {
    pub(crate) const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Kernel),
            2 => Some(Self::CommandLine),
            3 => Some(Self::Ramdisk),
            4 => Some(Self::Signature),
            5 => Some(Self::Metadata),
            _ => None,
        }
    }

    pub(crate) const fn number(self) -> u16 {
        match self {
            Self::Kernel => 1,
            Self::CommandLine => 2,
            Self::Ramdisk => 3,
            Self::Signature => 4,
            Self::Metadata => 5,
        }
    }

    /// The section's name: `kernel`, `cmdline`, `ramdisk`, `signature` or `metadata`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::CommandLine => "cmdline",
            Self::Ramdisk => "ramdisk",
            Self::Signature => "signature",
            Self::Metadata => "metadata",
        }
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A section, where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section<'b> {
    /// What it holds.
    pub kind: SectionKind,
    /// Where its header starts, in bytes from the file's start. Its data starts 12 bytes later.
    pub offset: usize,
    /// Its data.
    pub data: &'b [u8],
}

/// A section's type, flags and size stand before its data: 2 + 2 + 8 bytes.
pub(crate) const HEADER_LENGTH: usize = 12;

pub(crate) struct SectionHeader {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) size: u64,
}

impl SectionHeader {
    /// Reads the header at the front of `bytes`; `None` if there are fewer than 12.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (size, _) = rest.split_first_chunk()?;
        Some(Self {
            kind: u16::from_be_bytes(*kind),
            flags: u16::from_be_bytes(*flags),
            size: u64::from_be_bytes(*size),
        })
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.kind.to_be_bytes());
        to.extend_from_slice(&self.flags.to_be_bytes());
        to.extend_from_slice(&self.size.to_be_bytes());
    }
}
