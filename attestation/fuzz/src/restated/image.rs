//! What an enclave image is and measures to, from the description of its format in
//! docs/ATTESTATION.md.

use sha2::{Digest as _, Sha384};

use super::Item;

/// An image whose header, sections and checksum are sound. Metadata and signature were not read.
pub(crate) struct Image<'b> {
    /// Kind and data, in the file's order.
    pub(crate) sections: Vec<(u16, &'b [u8])>,
    pub(crate) pcr0: [u8; 48],
    pub(crate) pcr1: [u8; 48],
    pub(crate) pcr2: [u8; 48],
}

impl<'b> Image<'b> {
    pub(crate) fn read(bytes: &'b [u8]) -> Option<Self> {
        let header = bytes.get(..548)?;
        let count = usize::from(u16_at(header, 26));
        let holds = header.starts_with(b".eif\x00\x04")
            && u16_at(header, 6) <= 1
            && u16_at(header, 24) == 0
            && (1..=32).contains(&count)
            && header[540..544] == [0; 4]
            && (count..32)
                .all(|i| u64_at(header, 28 + 8 * i) == 0 && u64_at(header, 284 + 8 * i) == 0)
            && header[544..548] == checksum(bytes).to_be_bytes();
        if !holds {
            return None;
        }
        let mut position = 548;
        let mut sections = Vec::new();
        for i in 0..count {
            let head = bytes.get(position..position + 12)?;
            let size = u64_at(head, 4);
            let agree = u64_at(header, 28 + 8 * i) == position as u64
                && u64_at(header, 284 + 8 * i) == size
                && u16_at(head, 2) == 0;
            let end = usize::try_from(size).ok()?.checked_add(position + 12)?;
            let data = bytes.get(position + 12..end).filter(|_| agree)?;
            sections.push((u16_at(head, 0), data));
            position = end;
        }
        let kinds: Vec<_> = sections.iter().map(|(kind, _)| *kind).collect();
        let of = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
        let measured: Vec<_> = kinds.iter().filter(|kind| **kind <= 3).copied().collect();
        let in_order = measured.len() >= 3
            && measured[..2] == [1, 2]
            && measured[2..].iter().all(|kind| *kind == 3);
        let fits = position == bytes.len() && kinds.iter().all(|kind| (1..=5).contains(kind));
        if !(in_order && fits && of(4) <= 1 && of(5) <= 1) {
            return None;
        }
        let data: Vec<_> = sections
            .iter()
            .filter(|(k, _)| *k <= 3)
            .map(|(_, data)| *data)
            .collect();
        Some(Self {
            pcr0: register(&data.concat()),
            pcr1: register(&data[..3].concat()),
            pcr2: register(&data[3..].concat()),
            sections,
        })
    }

    pub(crate) fn section(&self, kind: u16) -> Option<&'b [u8]> {
        let mut of_kind = self.sections.iter().filter(|section| section.0 == kind);
        of_kind.next().map(|section| section.1)
    }

    /// PCR8 by the signature section: the PEM certificate's. `None` if the section is none for
    /// this image.
    pub(crate) fn pcr8(&self) -> Option<[u8; 48]> {
        let section = Item::read(self.section(4)?)?;
        let [Item::Map(parts)] = section.array()? else {
            return None;
        };
        let cose = Item::read(&integers(value(parts, "signature")?)?)?;
        let [_, _, payload, _] = cose.array()? else {
            return None;
        };
        let register_signed = Item::read(payload.bytes()?)?;
        let register_signed = register_signed.map()?;
        let holds = value(register_signed, "register_index")?.unsigned()? == 0
            && integers(value(register_signed, "register_value")?)? == self.pcr0;
        let certificate = integers(value(parts, "signing_certificate")?)?;
        let der = pem::parse(certificate).ok()?.into_contents();
        holds.then(|| register(&der))
    }
}

/// CRC-32 of all but the field itself, bit by bit.
pub(crate) fn checksum(image: &[u8]) -> u32 {
    let ends = [&image[..544], &image[548..]];
    !ends.concat().iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

fn value<'i>(entries: &'i [(Item, Item)], key: &str) -> Option<&'i Item> {
    entries
        .iter()
        .find(|(k, _)| k.text() == Some(key))
        .map(|(_, v)| v)
}

fn integers(item: &Item) -> Option<Vec<u8>> {
    let bytes = item.array()?.iter();
    bytes
        .map(|item| u8::try_from(item.unsigned()?).ok())
        .collect()
}

/// A register after one extension by `data`'s digest.
fn register(data: &[u8]) -> [u8; 48] {
    let extended = [&[0; 48][..], &Sha384::digest(data)].concat();
    Sha384::digest(extended).into()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(core::array::from_fn(|i| bytes[at + i]))
}
