//! What goes into which register, and that writing and reading are inverse to each other.

use sealsum_eif::{Architecture, CannotWrite, EnclaveImage, SectionKind};

use crate::contents::{APPLICATION, BOOT, COMMAND_LINE, KERNEL, METADATA, contents, image};

fn hex_of(pcr: [u8; 48]) -> String {
    hex::encode(pcr)
}

/// Computed with another implementation of SHA-384 from the definition: SHA384(0^48 || SHA384(data)).
#[test]
fn the_registers_are_those_of_the_definition() {
    let image = image();
    let measured = EnclaveImage::parse(&image).unwrap().measure();
    assert_eq!(hex_of(measured.pcr0), PCR0);
    assert_eq!(hex_of(measured.pcr1), PCR1);
    assert_eq!(hex_of(measured.pcr2), PCR2);
    assert_eq!(measured.pcr8, None);
}

/// Real enclaves with one ramdisk report it: PCR2 of nothing is not zero.
#[test]
fn without_a_second_ramdisk_pcr2_is_that_of_no_bytes() {
    let image = contents(&[BOOT]).write().unwrap();
    let measured = EnclaveImage::parse(&image).unwrap().measure();
    assert_eq!(
        hex_of(measured.pcr2),
        "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c10edb30948c90ba67310f7b964fc500a"
    );
    assert_eq!(measured.pcr0, measured.pcr1);
}

#[test]
fn what_was_written_is_read_back() {
    let bytes = image();
    let image = EnclaveImage::parse(&bytes).unwrap();
    assert_eq!(image.architecture(), Architecture::X86_64);
    assert_eq!(image.default_memory(), 1 << 30);
    assert_eq!(image.default_cpus(), 2);
    assert_eq!(image.command_line(), COMMAND_LINE);
    let metadata = image.metadata().unwrap();
    assert_eq!(metadata["ImageName"], "sealsum-enclave");
    assert!(image.signature().is_none());
    let sections: Vec<_> = image
        .sections()
        .iter()
        .map(|section| (section.kind, section.data))
        .collect();
    let expected: [(SectionKind, &[u8]); 5] = [
        (SectionKind::Kernel, KERNEL),
        (SectionKind::CommandLine, COMMAND_LINE),
        (SectionKind::Metadata, METADATA),
        (SectionKind::Ramdisk, BOOT),
        (SectionKind::Ramdisk, APPLICATION),
    ];
    assert_eq!(sections, expected);
    for section in image.sections() {
        let data = section.offset + 12;
        assert_eq!(&bytes[data..data + section.data.len()], section.data);
    }
}

#[test]
fn the_same_contents_make_the_same_bytes() {
    assert_eq!(image(), image());
}

#[test]
fn architecture_and_metadata_change_the_file_and_no_register() {
    let ramdisks: [&[u8]; 2] = [BOOT, APPLICATION];
    let mut other = contents(&ramdisks);
    other.architecture = Architecture::Arm64;
    other.default_memory = 7;
    other.metadata = None;
    let (other, original) = (other.write().unwrap(), image());
    assert_ne!(other, original);
    let [other, original] = [&other, &original].map(|bytes| EnclaveImage::parse(bytes).unwrap());
    assert_eq!(other.architecture(), Architecture::Arm64);
    assert_eq!(other.measure(), original.measure());
}

/// Concatenation is unframed: this is why PCR0 alone is not enough.
#[test]
fn a_byte_moved_between_ramdisks_leaves_pcr0_and_changes_pcr1_and_pcr2() {
    let measure = |ramdisks: [&[u8]; 2]| {
        let image = contents(&ramdisks).write().unwrap();
        EnclaveImage::parse(&image).unwrap().measure()
    };
    let one = measure([b"abc", b"def"]);
    let other = measure([b"ab", b"cdef"]);
    assert_eq!(one.pcr0, other.pcr0);
    assert_ne!(one.pcr1, other.pcr1);
    assert_ne!(one.pcr2, other.pcr2);
}

#[test]
fn contents_that_make_no_image_are_not_written() {
    let ramdisks = vec![BOOT; 30];
    assert!(matches!(
        contents(&ramdisks).write(),
        Err(CannotWrite::TooManySections { found: 33 })
    ));
    assert!(contents(&ramdisks[..29]).write().is_ok());
    let refused = |write: Result<Vec<u8>, CannotWrite>| match write.unwrap_err() {
        CannotWrite::Unreadable(error) => error.code(),
        other => panic!("{other}"),
    };
    assert_eq!(refused(contents(&[]).write()), "image-missing-section");
    let mut broken = contents(&ramdisks[..1]);
    broken.metadata = Some(b"not JSON");
    assert_eq!(refused(broken.write()), "image-metadata");
    broken.metadata = None;
    broken.signature = Some(b"not CBOR");
    assert_eq!(refused(broken.write()), "image-signature-malformed");
}

const PCR0: &str = "982e2cbb5e2623a17ba0abd215ae99cec18efc248f9a8d7afe59c19421a6ab7a4a34f5cc6323153914ce6ebc4f09b6b0";
const PCR1: &str = "4a96f5d3618450fd3bc0ea16054cd11273271f92a2b8c3d04330fae51eee9cd24c3482dbf3ac29aaa91667e3626dd938";
const PCR2: &str = "801db46aaf14eadb3189db1cf7cc68e0009ae3d0b8dadff82319e9e422777a918c5a65cd3bf19b6116b2e9ee03b66c56";
