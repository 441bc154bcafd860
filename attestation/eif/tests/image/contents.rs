//! A small image, and the means to forge it: changed bytes with a checksum that is right again.

use sealsum_eif::{Architecture, EnclaveImage, ImageContents};

pub(crate) const KERNEL: &[u8] = b"the kernel's bytes";
pub(crate) const COMMAND_LINE: &[u8] = b"reboot=k panic=30 pci=off";
pub(crate) const BOOT: &[u8] = b"the first ramdisk";
pub(crate) const APPLICATION: &[u8] = b"the second ramdisk, with the application";
pub(crate) const METADATA: &[u8] = br#"{"ImageName":"sealsum-enclave","ImageVersion":"0.1.0"}"#;

/// Offset of the header's tables and of its checksum.
pub(crate) const OFFSETS: usize = 28;
pub(crate) const SIZES: usize = 284;
pub(crate) const CHECKSUM: usize = 544;
pub(crate) const HEADER: usize = 548;

pub(crate) fn contents<'c>(ramdisks: &'c [&'c [u8]]) -> ImageContents<'c> {
    ImageContents {
        architecture: Architecture::X86_64,
        default_memory: 1 << 30,
        default_cpus: 2,
        kernel: KERNEL,
        command_line: COMMAND_LINE,
        ramdisks,
        metadata: Some(METADATA),
        signature: None,
    }
}

/// Kernel, cmdline, metadata and two ramdisks, in this order.
pub(crate) fn image() -> Vec<u8> {
    contents(&[BOOT, APPLICATION]).write().unwrap()
}

/// [`image`], changed, and its checksum made right again.
pub(crate) fn forged(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut image = image();
    change(&mut image);
    resum(&mut image);
    image
}

/// An image of these sections, whatever they are.
pub(crate) fn assembled(sections: &[(u16, &[u8])]) -> Vec<u8> {
    let mut image = vec![0; HEADER];
    image[..4].copy_from_slice(b".eif");
    image[5] = 4;
    image[27] = u8::try_from(sections.len()).unwrap();
    for (index, (kind, data)) in sections.iter().enumerate() {
        let offset = image.len();
        put_u64(&mut image, OFFSETS + 8 * index, offset);
        put_u64(&mut image, SIZES + 8 * index, data.len());
        image.extend_from_slice(&kind.to_be_bytes());
        image.extend_from_slice(&[0, 0]);
        image.extend_from_slice(&(data.len() as u64).to_be_bytes());
        image.extend_from_slice(data);
    }
    resum(&mut image);
    image
}

pub(crate) fn put_u64(image: &mut [u8], offset: usize, value: usize) {
    image[offset..offset + 8].copy_from_slice(&(value as u64).to_be_bytes());
}

/// CRC-32 as in IEEE 802.3, bit by bit, over all but the checksum's own bytes.
pub(crate) fn resum(image: &mut [u8]) {
    let mut crc = u32::MAX;
    let summed = image[..CHECKSUM].iter().chain(&image[HEADER..]);
    for byte in summed {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    image[CHECKSUM..HEADER].copy_from_slice(&(!crc).to_be_bytes());
}

/// The code of the refusal, or `read`.
pub(crate) fn code(image: &[u8]) -> &'static str {
    EnclaveImage::parse(image).map_or_else(|error| error.code(), |_| "read")
}
