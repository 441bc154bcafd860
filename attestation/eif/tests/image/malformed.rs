//! Every way to be no image has its own refusal, and none of them believes a length.

use sealsum_eif::{Architecture, BadImage, EnclaveImage, SectionKind};

use crate::contents::{
    APPLICATION, BOOT, CHECKSUM, COMMAND_LINE, HEADER, KERNEL, METADATA, OFFSETS, SIZES, assembled,
    code, forged, image, put_u64,
};

/// Where section `index` of [`image`] starts.
fn start(index: usize) -> usize {
    let sizes = [KERNEL, COMMAND_LINE, METADATA, BOOT, APPLICATION].map(<[u8]>::len);
    HEADER + sizes[..index].iter().map(|size| size + 12).sum::<usize>()
}

#[test]
fn an_image_without_faults_is_read() {
    assert_eq!(code(&image()), "read");
    assert_eq!(code(&forged(|_| {})), "read");
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let image = image();
    for length in 0..image.len() {
        let cut = code(&image[..length]);
        if length < HEADER {
            assert_eq!(cut, "image-too-short", "{length}");
        } else {
            // Sections touch, so the first that is not whole starts at the cut or before it.
            assert_eq!(cut, "image-section-truncated", "{length}");
        }
    }
}

#[test]
fn the_headers_own_fields_are_checked() {
    assert_eq!(code(&forged(|image| image[1] = b'E')), "image-magic");
    for version in [0, 3, 5] {
        assert_eq!(code(&forged(|image| image[5] = version)), "image-version");
    }
    assert_eq!(code(&forged(|image| image[7] = 1)), "read");
    assert_eq!(code(&forged(|image| image[7] = 2)), "image-flags");
    assert_eq!(code(&forged(|image| image[6] = 1)), "image-flags");
    assert_eq!(code(&forged(|image| image[25] = 1)), "image-reserved");
    assert_eq!(code(&forged(|image| image[540] = 1)), "image-reserved");
}

#[test]
fn sections_are_one_to_thirty_two() {
    assert_eq!(code(&forged(|image| image[27] = 0)), "image-section-count");
    assert_eq!(code(&forged(|image| image[27] = 33)), "image-section-count");
    assert_eq!(code(&forged(|image| image[26] = 1)), "image-section-count");
    let ramdisk: (u16, &[u8]) = (3, BOOT);
    let mut most = vec![(1, KERNEL), (2, COMMAND_LINE)];
    most.resize(32, ramdisk);
    assert_eq!(code(&assembled(&most)), "read");
}

#[test]
fn a_count_that_leaves_sections_out_or_makes_them_up_is_refused() {
    assert_eq!(code(&forged(|image| image[27] = 4)), "image-unused-entry");
    // A sixth section, at offset 0.
    assert_eq!(
        code(&forged(|image| image[27] = 6)),
        "image-section-overlaps"
    );
    let unused = forged(|image| image[OFFSETS + 8 * 31] = 1);
    assert_eq!(code(&unused), "image-unused-entry");
    let unused = forged(|image| image[SIZES + 8 * 5 + 7] = 1);
    assert_eq!(code(&unused), "image-unused-entry");
}

#[test]
fn a_section_stands_where_the_one_before_it_ends() {
    for index in 0..5 {
        let moved = |offset: usize| {
            let bytes = forged(|image| put_u64(image, OFFSETS + 8 * index, offset));
            EnclaveImage::parse(&bytes).unwrap_err()
        };
        let expected = start(index) as u64;
        assert_eq!(
            moved(start(index) - 1),
            BadImage::SectionOverlaps {
                section: index,
                expected,
                found: expected - 1
            }
        );
        assert_eq!(
            moved(start(index) + 1),
            BadImage::SectionGap {
                section: index,
                expected,
                found: expected + 1
            }
        );
        assert_eq!(moved(0).code(), "image-section-overlaps");
        for beyond in [image().len() + 1, usize::MAX, 1 << 63] {
            assert_eq!(moved(beyond).code(), "image-section-out-of-range");
        }
    }
}

#[test]
fn a_huge_section_is_refused_for_what_is_left_of_the_file() {
    for size in [APPLICATION.len() + 1, 1 << 40, usize::MAX] {
        let bytes = forged(|image| {
            put_u64(image, SIZES + 8 * 4, size);
            put_u64(image, start(4) + 4, size);
        });
        let refused = EnclaveImage::parse(&bytes).unwrap_err();
        let expected = BadImage::SectionTruncated {
            section: 4,
            offset: start(4),
            declared: size as u64,
            available: APPLICATION.len(),
        };
        assert_eq!(refused, expected);
    }
}

#[test]
fn tables_and_section_headers_agree() {
    let in_table = forged(|image| put_u64(image, SIZES, KERNEL.len() - 1));
    assert_eq!(code(&in_table), "image-sizes-disagree");
    let in_section = forged(|image| put_u64(image, start(0) + 4, KERNEL.len() + 1));
    assert_eq!(code(&in_section), "image-sizes-disagree");
}

#[test]
fn a_section_has_a_known_type_and_no_flags() {
    for kind in [0, 6, 255] {
        let unknown = forged(|image| image[start(3) + 1] = kind);
        assert_eq!(code(&unknown), "image-unknown-section", "{kind}");
    }
    assert_eq!(
        code(&forged(|image| image[start(3) + 3] = 1)),
        "image-section-flags"
    );
}

#[test]
fn a_part_is_there_once_and_nothing_needed_is_missing() {
    let all: [(u16, &[u8]); 4] = [(1, KERNEL), (2, COMMAND_LINE), (3, BOOT), (5, METADATA)];
    assert_eq!(code(&assembled(&all)), "read");
    for (twice, kind) in [(0, SectionKind::Kernel), (1, SectionKind::CommandLine)] {
        let mut sections = all.to_vec();
        sections.insert(twice + 1, all[twice]);
        let refused = EnclaveImage::parse(&assembled(&sections)).unwrap_err();
        let expected = BadImage::Duplicate {
            kind,
            first: twice,
            second: twice + 1,
        };
        assert_eq!(refused, expected);
    }
    let metadata = [all.to_vec(), vec![all[3]]].concat();
    assert_eq!(code(&assembled(&metadata)), "image-duplicate-section");
    let signature = [all.to_vec(), vec![(4, BOOT), (4, BOOT)]].concat();
    assert_eq!(code(&assembled(&signature)), "image-duplicate-section");
    for (missing, kind) in [
        (0, SectionKind::Kernel),
        (1, SectionKind::CommandLine),
        (2, SectionKind::Ramdisk),
    ] {
        let mut sections = all.to_vec();
        sections.remove(missing);
        let refused = EnclaveImage::parse(&assembled(&sections)).unwrap_err();
        assert_eq!(refused, BadImage::Missing { kind });
    }
    assert_eq!(code(&assembled(&all[..3])), "read");
}

#[test]
fn what_is_measured_stands_in_the_order_of_measuring() {
    let (kernel, cmdline, ramdisk) = ((1, KERNEL), (2, COMMAND_LINE), (3, BOOT));
    let metadata = (5, METADATA);
    for wrong in [
        [cmdline, kernel, ramdisk],
        [ramdisk, kernel, cmdline],
        [kernel, ramdisk, cmdline],
    ] {
        assert_eq!(code(&assembled(&wrong)), "image-out-of-order");
    }
    for right in [
        [metadata, kernel, cmdline, ramdisk],
        [kernel, cmdline, ramdisk, metadata],
    ] {
        assert_eq!(code(&assembled(&right)), "read");
    }
}

#[test]
fn nothing_follows_the_last_section() {
    let longer = forged(|image| image.push(0));
    assert_eq!(code(&longer), "image-trailing-bytes");
}

#[test]
fn a_byte_that_changed_on_the_way_is_found_by_the_checksum() {
    for offset in [8, 16, CHECKSUM, start(0) + 12, start(4) + 12] {
        let mut damaged = image();
        damaged[offset] ^= 0x10;
        assert_eq!(code(&damaged), "image-checksum", "{offset}");
    }
}

#[test]
fn sections_and_processors_have_stable_names() {
    use SectionKind::{CommandLine, Kernel, Metadata, Ramdisk, Signature};
    let kinds = [Kernel, CommandLine, Ramdisk, Signature, Metadata];
    let names = ["kernel", "cmdline", "ramdisk", "signature", "metadata"];
    assert_eq!(kinds.map(SectionKind::as_str), names);
    assert_eq!(kinds.map(|kind| kind.to_string()), names);
    let processors = [Architecture::X86_64, Architecture::Arm64];
    assert_eq!(processors.map(Architecture::as_str), ["x86_64", "aarch64"]);
}

#[test]
fn metadata_is_json() {
    let broken = forged(|image| image[start(2) + 12] = b'[');
    assert_eq!(code(&broken), "image-metadata");
    // As deep as its length allows; and one byte more, which is not read at all.
    for (length, expected) in [
        (65_536, "image-metadata"),
        (65_537, "image-section-too-long"),
    ] {
        let deep = "[".repeat(length);
        let sections: [(u16, &[u8]); 4] = [
            (1, KERNEL),
            (2, COMMAND_LINE),
            (3, BOOT),
            (5, deep.as_bytes()),
        ];
        assert_eq!(code(&assembled(&sections)), expected);
    }
}
