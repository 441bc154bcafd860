//! Points 1 to 3 of the checklist: which bytes are an attestation document, and what it says.

use std::collections::BTreeMap;

use super::Item;

/// A document in the one form that there is.
pub(crate) struct Document {
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) module_id: String,
    pub(crate) timestamp: u64,
    pub(crate) pcrs: BTreeMap<u64, [u8; 48]>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) cabundle: Vec<Vec<u8>>,
    pub(crate) public_key: Option<Vec<u8>>,
    pub(crate) user_data: Option<Vec<u8>>,
    pub(crate) nonce: Option<Vec<u8>>,
}

impl Document {
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        // serde_cbor skips tags, so the one that may stand there is taken off by hand; any other
        // is missing in what is written again.
        let untagged = bytes.strip_prefix(&[0xd2]).unwrap_or(bytes);
        let envelope = Item::read(untagged)?;
        let [protected, unprotected, payload, signature] = envelope.array()? else {
            return None;
        };
        let (payload, signature) = (payload.bytes()?, signature.bytes()?);
        let holds = envelope.write() == untagged
            && protected.bytes()? == [0xa1, 0x01, 0x38, 0x22]
            && unprotected.map()?.is_empty()
            && (1..=16384).contains(&payload.len())
            && signature.len() == 96;
        if !holds {
            return None;
        }
        let content = Item::read(payload)?;
        let strict = if payload[0] == 0xbf {
            content.write_open()
        } else {
            content.write()
        };
        if strict != payload {
            return None;
        }
        Self::of_fields(content.map()?, payload, signature)
    }

    fn of_fields(entries: &[(Item, Item)], payload: &[u8], signature: &[u8]) -> Option<Self> {
        let mut fields = BTreeMap::new();
        for (key, value) in entries {
            let key = key.text()?;
            if !KEYS.contains(&key) || fields.insert(key, value).is_some() {
                return None;
            }
        }
        let mut pcrs = BTreeMap::new();
        for (index, value) in fields.get("pcrs")?.map()? {
            let index = index.unsigned().filter(|index| *index <= 31)?;
            if pcrs
                .insert(index, value.bytes()?.try_into().ok()?)
                .is_some()
            {
                return None;
            }
        }
        let cabundle = fields.get("cabundle")?.array()?;
        let document = Self {
            payload: payload.to_vec(),
            signature: signature.to_vec(),
            module_id: fields.get("module_id")?.text()?.to_owned(),
            timestamp: fields.get("timestamp")?.unsigned()?,
            pcrs,
            certificate: fields.get("certificate")?.bytes()?.to_vec(),
            cabundle: cabundle
                .iter()
                .map(|der| der.bytes().map(<[u8]>::to_vec))
                .collect::<Option<_>>()?,
            public_key: optional(fields.get("public_key").copied())?,
            user_data: optional(fields.get("user_data").copied())?,
            nonce: optional(fields.get("nonce").copied())?,
        };
        let holds = !document.module_id.is_empty()
            && fields.get("digest")?.text()? == "SHA384"
            && (1..=i64::MAX.unsigned_abs()).contains(&document.timestamp)
            && (1..=32).contains(&document.pcrs.len())
            && (1..=8).contains(&document.cabundle.len())
            && document
                .cabundle
                .iter()
                .chain([&document.certificate])
                .all(|der| (1..=1024).contains(&der.len()));
        holds.then_some(document)
    }

    /// PCR0, 1 and 2 are there and zero.
    pub(crate) fn is_debug(&self) -> bool {
        (0..3).all(|index| self.pcrs.get(&index) == Some(&[0; 48]))
    }

    /// The first of PCR0, 1 and 2 that is there and zero.
    pub(crate) fn zero_register(&self) -> Option<u64> {
        (0..3).find(|index| self.pcrs.get(index) == Some(&[0; 48]))
    }
}

/// The outer `None`: neither null nor absent nor a short byte string.
fn optional(value: Option<&Item>) -> Option<Option<Vec<u8>>> {
    match value {
        None | Some(Item::Null) => Some(None),
        Some(Item::Bytes(bytes)) if bytes.len() <= 1024 => Some(Some(bytes.clone())),
        Some(_) => None,
    }
}

const KEYS: [&str; 9] = [
    "module_id",
    "digest",
    "timestamp",
    "pcrs",
    "certificate",
    "cabundle",
    "public_key",
    "user_data",
    "nonce",
];
