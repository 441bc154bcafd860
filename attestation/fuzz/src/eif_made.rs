//! The target `eif_made`: an image that the writer made, signed or not, then changed in some bytes,
//! with its checksum made right again. So the checks behind the checksum are reached.

use sealsum_eif::{Architecture, EnclaveImage, ImageContents, SectionKind, signature_section};

use crate::choices::Choices;
use crate::eif::eif;
use crate::restated::checksum;

/// Writes the image that `input` describes, which must be read as it was meant, then changes it and
/// reads it as [`eif()`] does.
///
/// # Panics
/// If something does not hold which must.
pub fn eif_made(input: &[u8]) -> &'static str {
    let mut choices = Choices(input);
    let shape = choices.byte();
    let (kernel, command_line) = (choices.short(), choices.short());
    let ramdisks: Vec<_> = (0..=shape % 4).map(|_| choices.short()).collect();
    let metadata = match shape >> 2 & 3 {
        0 => None,
        1 => Some(&b"{\"ImageName\":\"made\"}"[..]),
        _ => Some(choices.short()),
    };
    let mut contents = ImageContents {
        architecture: if shape & 0x10 == 0 {
            Architecture::X86_64
        } else {
            Architecture::Arm64
        },
        default_memory: u64::from_be_bytes(choices.number()),
        default_cpus: u64::from(choices.byte()),
        kernel,
        command_line,
        ramdisks: &ramdisks,
        metadata,
        signature: None,
    };
    let Ok(unsigned) = contents.write() else {
        return "unwritable";
    };
    check_made(&unsigned, &contents);
    let section = match shape >> 5 & 3 {
        0 => None,
        1 => Some(choices.short().to_vec()),
        2 => Some(signature_for(&unsigned, PEM)),
        _ => {
            let mut section = signature_for(&unsigned, PEM);
            change(&mut section, &mut choices);
            Some(section)
        }
    };
    contents.signature = section.as_deref();
    let mut image = match contents.write() {
        Ok(image) => {
            check_made(&image, &contents);
            image
        }
        // The writer refuses what the reader does: put the section there by hand.
        Err(_) => with_section(unsigned, section.as_deref().unwrap_or_default()),
    };
    change(&mut image, &mut choices);
    image.extend_from_slice(choices.short());
    if shape & 0x80 == 0 {
        sum(&mut image);
    }
    eif(&image)
}

fn check_made(image: &[u8], contents: &ImageContents<'_>) {
    assert_eq!(eif(image), "image");
    let found = EnclaveImage::parse(image).expect("just read");
    let ramdisks = found.sections().iter();
    let ramdisks = ramdisks.filter(|section| section.kind == SectionKind::Ramdisk);
    assert!(
        ramdisks
            .map(|section| section.data)
            .eq(contents.ramdisks.iter().copied())
    );
    assert_eq!(found.sections()[0].data, contents.kernel);
    assert_eq!(found.command_line(), contents.command_line);
    assert_eq!(found.architecture(), contents.architecture);
    assert_eq!(found.default_memory(), contents.default_memory);
    assert_eq!(found.default_cpus(), contents.default_cpus);
    assert_eq!(found.signature().is_some(), contents.signature.is_some());
}

fn signature_for(image: &[u8], pem: &[u8]) -> Vec<u8> {
    let measured = EnclaveImage::parse(image).expect("just written").measure();
    signature_section(&measured.pcr0, pem, &[7; 96])
}

/// Up to seven bytes replaced, each at a place of two bytes.
fn change(bytes: &mut [u8], choices: &mut Choices<'_>) {
    for _ in 0..choices.byte() % 8 {
        let place = usize::from(u16::from_be_bytes(choices.number()));
        let length = bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(place % length) {
            *byte = choices.byte();
        }
    }
}

/// The image with one more section, of a signature.
fn with_section(mut image: Vec<u8>, data: &[u8]) -> Vec<u8> {
    let count = usize::from(image[27]);
    let (offset, size) = (image.len() as u64, data.len() as u64);
    image[27] += 1;
    image[28 + 8 * count..][..8].copy_from_slice(&offset.to_be_bytes());
    image[284 + 8 * count..][..8].copy_from_slice(&size.to_be_bytes());
    image.extend_from_slice(&[0, 4, 0, 0]);
    image.extend_from_slice(&size.to_be_bytes());
    image.extend_from_slice(data);
    image
}

fn sum(image: &mut [u8]) {
    let sum = checksum(image);
    image[544..548].copy_from_slice(&sum.to_be_bytes());
}

/// Three bytes stand for a certificate: the reader takes its DER as it is.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n";
