//! Why an image was refused: one value per reason, with the place, and a stable code for machines.

use crate::header::{LENGTH, MAX_SECTIONS, VERSION};
use crate::section::SectionKind;
use crate::signature::BadSignature;

/// The file is no enclave image of version 4, or not one that can be read in one way only. Sections
/// are counted from 0, offsets in bytes from the file's start.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadImage {
    /// Not even a header.
    #[error(
        "the file has {found} bytes; an image's header alone has {LENGTH}: it is no image, or cut off"
    )]
    TooShort {
        /// The file's length.
        found: usize,
    },
    /// Another kind of file.
    #[error(
        "at offset 0: the file starts with {found:02x?}; an enclave image starts with \".eif\""
    )]
    Magic {
        /// Its first bytes.
        found: [u8; 4],
    },
    /// Another version of the format.
    #[error(
        "at offset 4: the image is of version {found} of the format; expected {VERSION}: build it with a current nitro-cli"
    )]
    Version {
        /// The header's version.
        found: u16,
    },
    /// Flags that the format does not know.
    #[error("at offset 6: the header's flags are {found:#06x}; expected 0 (x86_64) or 1 (aarch64)")]
    Flags {
        /// The header's flags.
        found: u16,
    },
    /// A field without a meaning has a value.
    #[error("at offset {offset}: a reserved field is {found:#x}; expected 0")]
    Reserved {
        /// The field's place.
        offset: usize,
        /// Its value.
        found: u32,
    },
    /// No sections, or more than the tables hold.
    #[error("at offset 26: the image counts {found} sections; expected 1 to {MAX_SECTIONS}")]
    SectionCount {
        /// The header's count.
        found: u16,
    },
    /// A place of the tables beyond the last section is filled.
    #[error(
        "place {entry} of the header's tables is filled, but the image counts {sections} sections"
    )]
    UnusedEntry {
        /// The place, from 0.
        entry: usize,
        /// How many sections there are.
        sections: usize,
    },
    /// A section is said to start behind the file's end.
    #[error(
        "section {section} should start at offset {offset}; the file has {file} bytes: it is cut off, or its header forged"
    )]
    SectionOutOfRange {
        /// Which section.
        section: usize,
        /// Where the table says that it starts.
        offset: u64,
        /// The file's length.
        file: usize,
    },
    /// A section is said to start within the one before.
    #[error(
        "section {section} should start at offset {found}, within what comes before; expected {expected}"
    )]
    SectionOverlaps {
        /// Which section.
        section: usize,
        /// Where the one before ends.
        expected: u64,
        /// Where the table says that it starts.
        found: u64,
    },
    /// Bytes between two sections, which some loaders skip and others read.
    #[error(
        "section {section} should start at offset {found}, which leaves a gap; expected {expected}"
    )]
    SectionGap {
        /// Which section.
        section: usize,
        /// Where the one before ends.
        expected: u64,
        /// Where the table says that it starts.
        found: u64,
    },
    /// A section is longer than what is left of the file.
    #[error(
        "section {section} at offset {offset} needs {declared} bytes; {available} are left: the file is cut off, or its header forged"
    )]
    SectionTruncated {
        /// Which section.
        section: usize,
        /// Where it starts.
        offset: usize,
        /// How many bytes it needs.
        declared: u64,
        /// How many there are.
        available: usize,
    },
    /// A section's own header and the table disagree.
    #[error(
        "section {section} has {in_section} bytes by its own header, and {in_table} by the image's: loaders would differ on it"
    )]
    SizesDisagree {
        /// Which section.
        section: usize,
        /// The size in the table.
        in_table: u64,
        /// The size before the section.
        in_section: u64,
    },
    /// A section of a type that the format does not know.
    #[error(
        "section {section} at offset {offset} has type {found}; expected 1 (kernel) to 5 (metadata)"
    )]
    UnknownSection {
        /// Which section.
        section: usize,
        /// Where it starts.
        offset: usize,
        /// Its type.
        found: u16,
    },
    /// A section with flags, which the format does not know.
    #[error("section {section} at offset {offset} has the flags {found:#06x}; expected 0")]
    SectionFlags {
        /// Which section.
        section: usize,
        /// Where it starts.
        offset: usize,
        /// Its flags.
        found: u16,
    },
    /// Two sections of a kind that there is one of.
    #[error("sections {first} and {second} are both of the kind {kind}; expected one")]
    Duplicate {
        /// The kind.
        kind: SectionKind,
        /// The first of them.
        first: usize,
        /// The second.
        second: usize,
    },
    /// A section without which nothing boots.
    #[error(
        "there is no section of the kind {kind}; an image has a kernel, a cmdline and at least one ramdisk"
    )]
    Missing {
        /// The kind.
        kind: SectionKind,
    },
    /// What is measured stands in another order than it is measured in.
    #[error(
        "section {section} is a {found}; expected a {expected} there: what is measured stands in the order kernel, cmdline, ramdisks"
    )]
    OutOfOrder {
        /// Which section.
        section: usize,
        /// What belongs there.
        expected: SectionKind,
        /// What it is.
        found: SectionKind,
    },
    /// Something follows the last section.
    #[error("at offset {offset}: {count} bytes follow the last section; expected none")]
    TrailingBytes {
        /// Where they start.
        offset: usize,
        /// How many.
        count: usize,
    },
    /// The file was altered or damaged.
    #[error(
        "at offset 544: the checksum is {expected:08x}, but that of the content is {found:08x}: the file was damaged; copy or build it again"
    )]
    Checksum {
        /// The header's value.
        expected: u32,
        /// That of the file.
        found: u32,
    },
    /// Metadata or signature is longer than any that was ever needed.
    #[error("the {} section has {bytes} bytes, of at most {limit}", kind.as_str())]
    TooLong {
        /// Which.
        kind: SectionKind,
        /// Its length.
        bytes: usize,
        /// The longest that is read.
        limit: usize,
    },
    /// The metadata is no JSON.
    #[error("the metadata is no JSON (line {line}, column {column} of the section)")]
    Metadata {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// The signature section can't be read, or is about another image.
    #[error("the signature section: {0}")]
    Signature(BadSignature),
}

impl BadImage {
    /// A stable name for machines, in kebab case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "image-too-short",
            Self::Magic { .. } => "image-magic",
            Self::Version { .. } => "image-version",
            Self::Flags { .. } => "image-flags",
            Self::Reserved { .. } => "image-reserved",
            Self::SectionCount { .. } => "image-section-count",
            Self::UnusedEntry { .. } => "image-unused-entry",
            Self::SectionOutOfRange { .. } => "image-section-out-of-range",
            Self::SectionOverlaps { .. } => "image-section-overlaps",
            Self::SectionGap { .. } => "image-section-gap",
            Self::SectionTruncated { .. } => "image-section-truncated",
            Self::SizesDisagree { .. } => "image-sizes-disagree",
            Self::UnknownSection { .. } => "image-unknown-section",
            Self::SectionFlags { .. } => "image-section-flags",
            Self::Duplicate { .. } => "image-duplicate-section",
            Self::Missing { .. } => "image-missing-section",
            Self::OutOfOrder { .. } => "image-out-of-order",
            Self::TrailingBytes { .. } => "image-trailing-bytes",
            Self::Checksum { .. } => "image-checksum",
            Self::TooLong { .. } => "image-section-too-long",
            Self::Metadata { .. } => "image-metadata",
            Self::Signature(error) => error.code(),
        }
    }
}
