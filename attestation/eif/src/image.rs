//! The image as a whole: decides whether a file is one image and can be read in one way only.
//!
//! Loaders differ: some go by the header's tables, some from section to section. Here both must
//! say the same, sections must touch, and what is measured must stand in the order in which it is
//! measured. So whatever boots from the file is what was measured.

use serde_json::Value;

use crate::bad_image::BadImage;
use crate::header::{Architecture, Entry, Header, LENGTH, checksum};
use crate::measurement::ImageMeasurement;
use crate::section::{HEADER_LENGTH, Section, SectionHeader, SectionKind};
use crate::signature::ImageSignature;

/// A well-formed enclave image.
#[derive(Debug, Clone)]
pub struct EnclaveImage<'b> {
    architecture: Architecture,
    default_memory: u64,
    default_cpus: u64,
    sections: Vec<Section<'b>>,
    metadata: Option<Value>,
    signature: Option<ImageSignature>,
}

impl<'b> EnclaveImage<'b> {
    /// Reads an image. Time is linear in the input; a declared size allocates nothing.
    ///
    /// # Errors
    /// [`BadImage`]: the first thing that is wrong, and where.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, BadImage> {
        let header = Header::parse(bytes)?;
        let mut sections = Vec::new();
        let mut position = LENGTH;
        for (index, entry) in header.entries.iter().enumerate() {
            let section = read_section(bytes, index, entry, position)?;
            // Both are lengths of what is there, so their sum is at most that of the file.
            position = position
                .saturating_add(HEADER_LENGTH)
                .saturating_add(section.data.len());
            sections.push(section);
        }
        match bytes.len().saturating_sub(position) {
            0 => {}
            count => {
                return Err(BadImage::TrailingBytes {
                    offset: position,
                    count,
                });
            }
        }
        check_composition(&sections)?;
        let found = checksum(bytes);
        if found != header.checksum {
            return Err(BadImage::Checksum {
                expected: header.checksum,
                found,
            });
        }
        let mut image = Self {
            architecture: header.architecture,
            default_memory: header.default_memory,
            default_cpus: header.default_cpus,
            sections,
            metadata: None,
            signature: None,
        };
        image.metadata = image.read_metadata()?;
        image.signature = image.read_signature()?;
        Ok(image)
    }

    /// What the hypervisor measures when it boots this image.
    #[must_use]
    pub fn measure(&self) -> ImageMeasurement {
        ImageMeasurement::of(
            &self.sections,
            self.signature.as_ref().map(ImageSignature::certificate),
        )
    }

    /// All sections, in the file's order.
    #[must_use]
    pub fn sections(&self) -> &[Section<'b>] {
        &self.sections
    }

    /// The processor that the image is for.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The memory that the image asks for if nobody says otherwise, in bytes.
    #[must_use]
    pub fn default_memory(&self) -> u64 {
        self.default_memory
    }

    /// The processors that the image asks for if nobody says otherwise.
    #[must_use]
    pub fn default_cpus(&self) -> u64 {
        self.default_cpus
    }

    /// The kernel's command line, as it stands in the file.
    #[must_use]
    pub fn command_line(&self) -> &'b [u8] {
        self.data(SectionKind::CommandLine).unwrap_or_default()
    }

    /// The builder's word about the image. Not measured: anybody can change it.
    #[must_use]
    pub fn metadata(&self) -> Option<&Value> {
        self.metadata.as_ref()
    }

    /// The signature over PCR0, if the image is signed. It names this image, and was not verified.
    #[must_use]
    pub fn signature(&self) -> Option<&ImageSignature> {
        self.signature.as_ref()
    }

    fn data(&self, kind: SectionKind) -> Option<&'b [u8]> {
        let section = self.sections.iter().find(|section| section.kind == kind)?;
        Some(section.data)
    }

    fn read_metadata(&self) -> Result<Option<Value>, BadImage> {
        self.data(SectionKind::Metadata)
            .map(|data| {
                within_limit(SectionKind::Metadata, data)?;
                serde_json::from_slice(data).map_err(|error| BadImage::Metadata {
                    line: error.line(),
                    column: error.column(),
                })
            })
            .transpose()
    }

    fn read_signature(&self) -> Result<Option<ImageSignature>, BadImage> {
        let Some(data) = self.data(SectionKind::Signature) else {
            return Ok(None);
        };
        within_limit(SectionKind::Signature, data)?;
        let pcr0 = ImageMeasurement::of(&self.sections, None).pcr0;
        ImageSignature::parse(data, &pcr0)
            .map(Some)
            .map_err(BadImage::Signature)
    }
}

/// The section that should start at `position`, if tables, section header and file agree.
fn read_section<'b>(
    bytes: &'b [u8],
    index: usize,
    entry: &Entry,
    position: usize,
) -> Result<Section<'b>, BadImage> {
    let expected = length(position);
    if entry.offset > length(bytes.len()) {
        return Err(BadImage::SectionOutOfRange {
            section: index,
            offset: entry.offset,
            file: bytes.len(),
        });
    }
    if entry.offset < expected {
        return Err(BadImage::SectionOverlaps {
            section: index,
            expected,
            found: entry.offset,
        });
    }
    if entry.offset > expected {
        return Err(BadImage::SectionGap {
            section: index,
            expected,
            found: entry.offset,
        });
    }
    let rest = bytes.get(position..).unwrap_or_default();
    let truncated = |declared, available: usize| BadImage::SectionTruncated {
        section: index,
        offset: position,
        declared,
        available,
    };
    let header =
        SectionHeader::parse(rest).ok_or_else(|| truncated(length(HEADER_LENGTH), rest.len()))?;
    let kind = SectionKind::from_number(header.kind).ok_or(BadImage::UnknownSection {
        section: index,
        offset: position,
        found: header.kind,
    })?;
    if header.flags != 0 {
        return Err(BadImage::SectionFlags {
            section: index,
            offset: position,
            found: header.flags,
        });
    }
    if header.size != entry.size {
        return Err(BadImage::SizesDisagree {
            section: index,
            in_table: entry.size,
            in_section: header.size,
        });
    }
    let data = rest.get(HEADER_LENGTH..).unwrap_or_default();
    let data = usize::try_from(header.size)
        .ok()
        .and_then(|size| data.get(..size))
        .ok_or_else(|| truncated(header.size, data.len()))?;
    Ok(Section {
        kind,
        offset: position,
        data,
    })
}

/// What is read into memory as values, many times its size, is short.
fn within_limit(kind: SectionKind, data: &[u8]) -> Result<(), BadImage> {
    if data.len() > READ_LIMIT {
        return Err(BadImage::TooLong {
            kind,
            bytes: data.len(),
            limit: READ_LIMIT,
        });
    }
    Ok(())
}

/// A few hundred bytes of metadata, a few KiB of signature and certificate are usual.
const READ_LIMIT: usize = 64 * 1024;

/// One kernel, then one command line, then ramdisks; a signature and metadata at most once.
fn check_composition(sections: &[Section<'_>]) -> Result<(), BadImage> {
    use SectionKind::{CommandLine, Kernel, Metadata, Ramdisk, Signature};
    for kind in [Kernel, CommandLine, Metadata, Signature] {
        let mut places = sections
            .iter()
            .enumerate()
            .filter(|(_, section)| section.kind == kind);
        if let (Some((first, _)), Some((second, _))) = (places.next(), places.next()) {
            return Err(BadImage::Duplicate {
                kind,
                first,
                second,
            });
        }
    }
    for kind in [Kernel, CommandLine, Ramdisk] {
        if sections.iter().all(|section| section.kind != kind) {
            return Err(BadImage::Missing { kind });
        }
    }
    let measured = sections
        .iter()
        .enumerate()
        .filter(|(_, section)| !matches!(section.kind, Metadata | Signature));
    let order = [Kernel, CommandLine]
        .into_iter()
        .chain(core::iter::repeat(Ramdisk));
    for ((section, found), expected) in measured.zip(order) {
        if found.kind != expected {
            return Err(BadImage::OutOfOrder {
                section,
                expected,
                found: found.kind,
            });
        }
    }
    Ok(())
}

/// `u64` holds every `usize` of the platforms that we build for.
fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
