//! Over random contents and random damage.

use proptest::prelude::*;
use sealsum_eif::{Architecture, EnclaveImage, ImageContents, ImageMeasurement, SectionKind};

use crate::contents::{HEADER, code, resum};

#[derive(Debug, Clone)]
struct Owned {
    kernel: Vec<u8>,
    command_line: Vec<u8>,
    ramdisks: Vec<Vec<u8>>,
}

impl Owned {
    fn write(&self) -> Vec<u8> {
        let ramdisks: Vec<&[u8]> = self.ramdisks.iter().map(Vec::as_slice).collect();
        let contents = ImageContents {
            architecture: Architecture::X86_64,
            default_memory: 1 << 28,
            default_cpus: 1,
            kernel: &self.kernel,
            command_line: &self.command_line,
            ramdisks: &ramdisks,
            metadata: Some(b"{}"),
            signature: None,
        };
        contents.write().unwrap()
    }
}

fn contents() -> impl Strategy<Value = Owned> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 1..most);
    let ramdisks = proptest::collection::vec(bytes(60), 1..5);
    (bytes(60), bytes(30), ramdisks).prop_map(|(kernel, command_line, ramdisks)| Owned {
        kernel,
        command_line,
        ramdisks,
    })
}

fn measure(image: &[u8]) -> ImageMeasurement {
    EnclaveImage::parse(image).unwrap().measure()
}

proptest! {
    #[test]
    fn a_changed_byte_changes_the_registers_of_its_section_and_no_other(
        contents in contents(),
        place in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let image = contents.write();
        let parsed = EnclaveImage::parse(&image).unwrap();
        let before = parsed.measure();
        let sections = parsed.sections().to_vec();
        let mut ramdisks = 0;
        for section in sections {
            if section.kind == SectionKind::Metadata {
                continue;
            }
            let mut changed = image.clone();
            changed[section.offset + 12 + place.index(section.data.len())] ^= flip;
            prop_assert_eq!(code(&changed), "image-checksum");
            resum(&mut changed);
            let after = measure(&changed);
            let second = section.kind == SectionKind::Ramdisk && ramdisks > 0;
            ramdisks += usize::from(section.kind == SectionKind::Ramdisk);
            prop_assert_ne!(before.pcr0, after.pcr0);
            prop_assert_eq!(before.pcr1 == after.pcr1, second);
            prop_assert_eq!(before.pcr2 != after.pcr2, second);
        }
    }

    #[test]
    fn a_damaged_image_is_refused_or_measures_to_the_same(
        contents in contents(),
        place in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let image = contents.write();
        let mut damaged = image.clone();
        damaged[place.index(image.len())] ^= flip;
        // CRC-32 finds every error within 32 bits.
        prop_assert_ne!(code(&damaged), "read");
        // A forger makes the checksum right; then header and section headers still hold.
        resum(&mut damaged);
        if place.index(image.len()) < HEADER && code(&damaged) == "read" {
            prop_assert_eq!(measure(&damaged), measure(&image));
        }
    }

    #[test]
    fn a_cut_image_is_refused(contents in contents(), place in any::<prop::sample::Index>()) {
        let image = contents.write();
        prop_assert_ne!(code(&image[..place.index(image.len())]), "read");
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        header in proptest::collection::vec(any::<u8>(), 0..700),
        sound in any::<bool>(),
        count in 0_u8..34,
    ) {
        let mut bytes = header;
        if sound && bytes.len() >= HEADER {
            bytes[..8].copy_from_slice(b".eif\0\x04\0\0");
            bytes[24..28].copy_from_slice(&[0, 0, 0, count]);
            bytes[540..544].fill(0);
            resum(&mut bytes);
        }
        prop_assert_ne!(code(&bytes), "read");
    }

    #[test]
    fn random_words_in_the_tables_are_read_without_a_panic(
        contents in contents(),
        words in proptest::collection::vec((28_usize..540, any::<u64>(), any::<bool>()), 1..4),
    ) {
        let mut image = contents.write();
        for (offset, word, small) in words {
            let word = if small { word % 2048 } else { word };
            let offset = offset.min(532);
            image[offset..offset + 8].copy_from_slice(&word.to_be_bytes());
        }
        resum(&mut image);
        // Whatever is read still measures; nothing was allocated for what the words declare.
        let _ = EnclaveImage::parse(&image).map(|image| image.measure());
    }

    #[test]
    fn what_was_written_is_read_back_as_it_was(contents in contents()) {
        let image = contents.write();
        let parsed = EnclaveImage::parse(&image).unwrap();
        let data = |kind| parsed.sections().iter().filter(move |s| s.kind == kind).map(|s| s.data.to_vec());
        prop_assert!(data(SectionKind::Kernel).eq([contents.kernel.clone()]));
        prop_assert!(data(SectionKind::CommandLine).eq([contents.command_line.clone()]));
        prop_assert!(data(SectionKind::Ramdisk).eq(contents.ramdisks.clone()));
    }
}
