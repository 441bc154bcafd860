//! Writing images: kernel, command line, metadata, ramdisks, signature, in the order in which AWS's
//! own tool writes them.
//!
//! The bytes depend on the arguments alone: no time, no name, no environment. What was written is
//! read again before it is handed out, so nothing leaves here that [`EnclaveImage::parse`] refuses.

use crate::bad_image::BadImage;
use crate::header::{Architecture, Entry, Header, LENGTH, MAX_SECTIONS, checksum};
use crate::image::EnclaveImage;
use crate::section::{HEADER_LENGTH, SectionHeader, SectionKind};

/// What goes into an image.
#[derive(Debug, Clone, Copy)]
pub struct ImageContents<'c> {
    /// The processor that it is for.
    pub architecture: Architecture,
    /// The memory it gets if nobody says otherwise, in bytes.
    pub default_memory: u64,
    /// The processors it gets if nobody says otherwise.
    pub default_cpus: u64,
    /// The kernel: a bzImage, or an Image on aarch64.
    pub kernel: &'c [u8],
    /// The kernel's command line.
    pub command_line: &'c [u8],
    /// The ramdisks; the first is measured into PCR1, the others into PCR2. At least one.
    pub ramdisks: &'c [&'c [u8]],
    /// JSON about the image, not measured.
    pub metadata: Option<&'c [u8]>,
    /// What [`crate::signature_section`] gave for the measurement of the same contents without it.
    pub signature: Option<&'c [u8]>,
}

impl ImageContents<'_> {
    /// Writes the image.
    ///
    /// # Errors
    /// [`CannotWrite`] if the contents make no image.
    pub fn write(&self) -> Result<Vec<u8>, CannotWrite> {
        let sections = self.sections();
        if sections.len() > MAX_SECTIONS {
            return Err(CannotWrite::TooManySections {
                found: sections.len(),
            });
        }
        let mut body = Vec::new();
        let mut entries = Vec::new();
        for (kind, data) in sections {
            let size = length(data.len());
            entries.push(Entry {
                offset: length(LENGTH.saturating_add(body.len())),
                size,
            });
            let header = SectionHeader {
                kind: kind.number(),
                flags: 0,
                size,
            };
            body.reserve(HEADER_LENGTH.saturating_add(data.len()));
            header.write(&mut body);
            body.extend_from_slice(data);
        }
        let mut header = Header {
            architecture: self.architecture,
            default_memory: self.default_memory,
            default_cpus: self.default_cpus,
            entries,
            checksum: 0,
        };
        let unsummed = [header.write(), body].concat();
        header.checksum = checksum(&unsummed);
        let mut image = unsummed;
        if let Some(head) = image.get_mut(..LENGTH) {
            head.copy_from_slice(&header.write());
        }
        EnclaveImage::parse(&image).map_err(CannotWrite::Unreadable)?;
        Ok(image)
    }

    fn sections(&self) -> Vec<(SectionKind, &[u8])> {
        let mut sections = vec![
            (SectionKind::Kernel, self.kernel),
            (SectionKind::CommandLine, self.command_line),
        ];
        let metadata = self.metadata.map(|data| (SectionKind::Metadata, data));
        let ramdisks = self
            .ramdisks
            .iter()
            .map(|data| (SectionKind::Ramdisk, *data));
        let signature = self.signature.map(|data| (SectionKind::Signature, data));
        sections.extend(metadata.into_iter().chain(ramdisks).chain(signature));
        sections
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Why contents make no image. Whoever chose them is at fault.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotWrite {
    /// More sections than the header has places.
    #[error("{found} sections: the format has room for {MAX_SECTIONS}; join some ramdisks")]
    TooManySections {
        /// How many there are.
        found: usize,
    },
    /// The image would be refused.
    #[error("these contents make an image that would be refused: {0}")]
    Unreadable(BadImage),
}
