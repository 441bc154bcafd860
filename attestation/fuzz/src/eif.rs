//! The target `eif`: any bytes, read as an enclave image.

use sealsum_eif::{BadImage, EnclaveImage, ImageContents, SectionKind};

use crate::restated::Image;

/// Reads `input` as an image. It is one exactly if the restated rules say so, measures to what they
/// measure, is written again as it was, and reading takes memory in proportion to the input.
///
/// # Panics
/// If any of that does not hold.
pub fn eif(input: &[u8]) -> &'static str {
    let mut parsed = None;
    let used = allocation_counter::measure(|| parsed = Some(EnclaveImage::parse(input)));
    let most = VALUES_PER_BYTE * (input.len() as u64).min(READ_LIMIT) + MOST_ALLOCATED;
    assert!(used.bytes_max <= most, "{} bytes allocated", used.bytes_max);
    match (parsed.expect("parse returned"), Image::read(input)) {
        (Ok(found), Some(expected)) => {
            compare(&found, &expected);
            write_again(&found, input);
            assert!(EnclaveImage::parse(&[input, &[0]].concat()).is_err());
            assert!(EnclaveImage::parse(&input[..input.len() - 1]).is_err());
            "image"
        }
        (Err(error), expected) => {
            let text = error.to_string();
            assert!((1..=LONGEST_TEXT).contains(&text.len()), "{text}");
            match (&error, expected) {
                (_, None) => {}
                // What the restated rules read only once the image is one.
                (BadImage::Metadata { .. } | BadImage::TooLong { .. }, Some(_)) => {}
                (BadImage::Signature(_), Some(image)) => assert!(image.section(4).is_some()),
                (error, Some(_)) => panic!("refused, and is an image: {error}"),
            }
            error.code()
        }
        (Ok(_), None) => panic!("accepted, and is no image by the restated rules"),
    }
}

fn compare(found: &EnclaveImage<'_>, expected: &Image<'_>) {
    let measured = found.measure();
    assert_eq!(measured.pcr0, expected.pcr0);
    assert_eq!(measured.pcr1, expected.pcr1);
    assert_eq!(measured.pcr2, expected.pcr2);
    assert_eq!(measured.pcr8, expected.pcr8());
    assert_eq!(measured.pcr8.is_some(), expected.section(4).is_some());
    assert_eq!(found.signature().is_some(), expected.section(4).is_some());
    assert_eq!(found.metadata().is_some(), expected.section(5).is_some());
    assert_eq!(Some(found.command_line()), expected.section(2));
    let sections = found.sections().iter().map(|section| section.data);
    assert!(sections.eq(expected.sections.iter().map(|section| section.1)));
}

/// The writer makes the very bytes of it, if the sections stand in the writer's order.
fn write_again(found: &EnclaveImage<'_>, input: &[u8]) {
    let of = |kind| {
        let sections = found.sections().iter();
        sections
            .filter(move |section| section.kind == kind)
            .map(|section| section.data)
    };
    let ramdisks: Vec<_> = of(SectionKind::Ramdisk).collect();
    let contents = ImageContents {
        architecture: found.architecture(),
        default_memory: found.default_memory(),
        default_cpus: found.default_cpus(),
        kernel: of(SectionKind::Kernel).next().expect("a kernel"),
        command_line: found.command_line(),
        ramdisks: &ramdisks,
        metadata: of(SectionKind::Metadata).next(),
        signature: of(SectionKind::Signature).next(),
    };
    let written = contents.write().expect("what was read can be written");
    let order: Vec<_> = found
        .sections()
        .iter()
        .map(|section| section.kind)
        .collect();
    let again = EnclaveImage::parse(&written).expect("what was written can be read");
    let written_order = again.sections().iter().map(|section| section.kind);
    if written_order.eq(order) {
        assert!(written == input, "written otherwise than it was read");
    }
    assert_eq!(again.measure(), found.measure());
}

/// What is read into values: metadata and signature, each up to 64 KiB.
const READ_LIMIT: u64 = 2 * 64 * 1024;

/// A JSON value takes 32 bytes for the two that write it, in a vector that doubles as it grows, in
/// an array of its own at worst.
const VALUES_PER_BYTE: u64 = 256;

/// Tables and sections: 32 of each.
const MOST_ALLOCATED: u64 = 8 * 1024;

const LONGEST_TEXT: usize = 1024;
