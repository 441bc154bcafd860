//! Measurement: which register values the hypervisor reports for an image.
//!
//! A register is SHA-384 over 48 zero bytes and the SHA-384 of what goes into it, concatenated
//! without lengths. So PCR0 alone does not say where one ramdisk ends and the next begins:
//! compare PCR0, 1 and 2. No register says where the kernel ends and the command line begins.

use sha2::{Digest as _, Sha384};

use crate::section::{Section, SectionKind};

/// What an image measures to: 48 bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageMeasurement {
    /// Kernel, command line and every ramdisk.
    pub pcr0: [u8; 48],
    /// Kernel, command line and the first ramdisk.
    pub pcr1: [u8; 48],
    /// Every ramdisk but the first.
    pub pcr2: [u8; 48],
    /// The signing certificate's DER, if the image is signed.
    pub pcr8: Option<[u8; 48]>,
}

impl ImageMeasurement {
    /// `sections` are in the file's order.
    pub(crate) fn of(sections: &[Section<'_>], certificate: Option<&[u8]>) -> Self {
        use SectionKind::{CommandLine, Kernel, Metadata, Ramdisk, Signature};
        let (mut image, mut boot, mut application) = <(Sha384, Sha384, Sha384)>::default();
        let mut ramdisks = 0_usize;
        for section in sections {
            match section.kind {
                Kernel | CommandLine => {
                    image.update(section.data);
                    boot.update(section.data);
                }
                Ramdisk => {
                    image.update(section.data);
                    if ramdisks == 0 {
                        boot.update(section.data);
                    } else {
                        application.update(section.data);
                    }
                    ramdisks = ramdisks.saturating_add(1);
                }
                Metadata | Signature => {}
            }
        }
        Self {
            pcr0: extend(image),
            pcr1: extend(boot),
            pcr2: extend(application),
            pcr8: certificate.map(|der| extend(Sha384::new_with_prefix(der))),
        }
    }
}

/// A register that was zero, after one digest was extended into it.
fn extend(measured: Sha384) -> [u8; 48] {
    Sha384::new_with_prefix([0; 48])
        .chain_update(measured.finalize())
        .finalize()
        .into()
}
