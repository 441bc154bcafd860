//! The attestation document's payload: decides whether the signed map has exactly the fields,
//! types and sizes that the hardware sends (checklist 2 and 3).
//!
//! It trusts nothing. Every field is taken once, an unknown one is refused rather than skipped,
//! and a wrong type is never read as "absent". Limits are AWS's, but where hardware was seen to
//! differ from the prose, hardware wins.

mod bad_payload;

use crate::cbor::{CborError, Reader};
use crate::pcr::{Measurement, Pcr, PcrIndex};

pub use bad_payload::{BadPayload, Field};

/// The payload's fields, each within its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    pub(crate) module_id: String,
    /// Unix time in ms, 1 to `i64::MAX`.
    pub(crate) timestamp: u64,
    pub(crate) measurement: Measurement,
    /// The leaf certificate, DER.
    pub(crate) certificate: Vec<u8>,
    /// Root first, DER.
    pub(crate) cabundle: Vec<Vec<u8>>,
    pub(crate) public_key: Option<Vec<u8>>,
    pub(crate) user_data: Option<Vec<u8>>,
    pub(crate) nonce: Option<Vec<u8>>,
}

impl Payload {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadPayload> {
        let mut reader = Reader::new(bytes);
        let mut fields = Fields::default();
        // 2: both forms are real: definite up to 2025-04, indefinite from 2025-10 on.
        match reader.map().map_err(outside)? {
            Some(entries) => {
                for _ in 0..entries {
                    fields.read_entry(&mut reader)?;
                }
            }
            None => {
                while !reader.take_break().map_err(outside)? {
                    fields.read_entry(&mut reader)?;
                }
            }
        }
        // 2: nothing after the map.
        match reader.remaining() {
            0 => fields.complete(),
            count => Err(BadPayload::TrailingBytes { count }),
        }
    }
}

/// What was read so far. An optional field that came as null stays `None`, but counts as seen.
#[derive(Default)]
struct Fields {
    seen: Vec<Field>,
    module_id: Option<String>,
    digest: Option<()>,
    timestamp: Option<u64>,
    measurement: Option<Measurement>,
    certificate: Option<Vec<u8>>,
    cabundle: Option<Vec<Vec<u8>>>,
    public_key: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
}

impl Fields {
    fn read_entry(&mut self, reader: &mut Reader<'_>) -> Result<(), BadPayload> {
        let length_before = reader.remaining();
        // 2: keys are text, so integer keys fail here.
        let key = reader.text().map_err(outside)?;
        // 2: no unknown keys, among them the `nitrotpm_pcrs` of another product.
        let field = Field::named(key).ok_or(BadPayload::UnknownField {
            bytes_from_end: length_before,
        })?;
        // 2: no duplicate keys; neither the first nor the last wins.
        if self.seen.contains(&field) {
            return Err(BadPayload::DuplicateField(field));
        }
        self.seen.push(field);
        match field {
            Field::ModuleId => self.module_id = Some(read_module_id(reader)?),
            Field::Digest => self.digest = Some(read_digest(reader)?),
            Field::Timestamp => self.timestamp = Some(read_timestamp(reader)?),
            Field::Pcrs => self.measurement = Some(read_pcrs(reader)?),
            Field::Certificate => {
                self.certificate = Some(read_certificate(reader, Field::Certificate)?);
            }
            Field::Cabundle => self.cabundle = Some(read_cabundle(reader)?),
            Field::PublicKey => self.public_key = read_optional(reader, field)?,
            Field::UserData => self.user_data = read_optional(reader, field)?,
            Field::Nonce => self.nonce = read_optional(reader, field)?,
        }
        Ok(())
    }

    /// 3: what is mandatory is there.
    fn complete(self) -> Result<Payload, BadPayload> {
        self.digest.ok_or(BadPayload::Missing(Field::Digest))?;
        Ok(Payload {
            module_id: self.module_id.ok_or(BadPayload::Missing(Field::ModuleId))?,
            timestamp: self
                .timestamp
                .ok_or(BadPayload::Missing(Field::Timestamp))?,
            measurement: self.measurement.ok_or(BadPayload::Missing(Field::Pcrs))?,
            certificate: self
                .certificate
                .ok_or(BadPayload::Missing(Field::Certificate))?,
            cabundle: self.cabundle.ok_or(BadPayload::Missing(Field::Cabundle))?,
            public_key: self.public_key,
            user_data: self.user_data,
            nonce: self.nonce,
        })
    }
}

fn read_module_id(reader: &mut Reader<'_>) -> Result<String, BadPayload> {
    // 3: module_id is non-empty text.
    match reader.text().map_err(within(Field::ModuleId))? {
        "" => Err(BadPayload::EmptyModuleId),
        text => Ok(text.to_owned()),
    }
}

fn read_digest(reader: &mut Reader<'_>) -> Result<(), BadPayload> {
    // 3: digest is "SHA384", in these letters.
    match reader.text().map_err(within(Field::Digest))? {
        "SHA384" => Ok(()),
        _ => Err(BadPayload::Digest),
    }
}

fn read_timestamp(reader: &mut Reader<'_>) -> Result<u64, BadPayload> {
    // 3: timestamp > 0, in ms. The upper limit keeps later sums within 64 bits.
    let found = reader.unsigned().map_err(within(Field::Timestamp))?;
    if found == 0 || i64::try_from(found).is_err() {
        return Err(BadPayload::Timestamp { found });
    }
    Ok(found)
}

fn read_pcrs(reader: &mut Reader<'_>) -> Result<Measurement, BadPayload> {
    // 3: 1 to 32 registers.
    let found = reader.definite_map().map_err(within(Field::Pcrs))?;
    if !(1..=MAX_PCRS).contains(&found) {
        return Err(BadPayload::PcrCount { found });
    }
    let mut measurement = Measurement::default();
    for _ in 0..found {
        // 3: index 0 to 31, each once.
        let index = reader.unsigned().map_err(within(Field::Pcrs))?;
        let index = PcrIndex::new(index).ok_or(BadPayload::PcrIndex { found: index })?;
        // 3: 48 bytes each.
        let value = reader.bytes().map_err(within(Field::Pcrs))?;
        let pcr = Pcr::try_from(value).map_err(|_| BadPayload::PcrLength {
            index,
            found: value.len(),
        })?;
        if !measurement.insert(index, pcr) {
            return Err(BadPayload::DuplicatePcr(index));
        }
    }
    Ok(measurement)
}

fn read_cabundle(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, BadPayload> {
    // 3: 1 to 8 certificates. The count is checked before anything is allocated.
    let found = reader.array().map_err(within(Field::Cabundle))?;
    if !(1..=MAX_CABUNDLE).contains(&found) {
        return Err(BadPayload::CabundleCount { found });
    }
    (0..found)
        .map(|_| read_certificate(reader, Field::Cabundle))
        .collect()
}

fn read_certificate(reader: &mut Reader<'_>, field: Field) -> Result<Vec<u8>, BadPayload> {
    // 3: 1 to 1024 bytes.
    let der = reader.bytes().map_err(within(field))?;
    if der.is_empty() || der.len() > MAX_FIELD {
        return Err(BadPayload::CertificateLength {
            field,
            found: der.len(),
        });
    }
    Ok(der.to_vec())
}

fn read_optional(reader: &mut Reader<'_>, field: Field) -> Result<Option<Vec<u8>>, BadPayload> {
    // 3: null or absent, or 0 to 1024 bytes as hardware sends them.
    if reader.take_null().map_err(within(field))? {
        return Ok(None);
    }
    let bytes = reader.bytes().map_err(within(field))?;
    if bytes.len() > MAX_FIELD {
        return Err(BadPayload::OptionalLength {
            field,
            found: bytes.len(),
        });
    }
    Ok(Some(bytes.to_vec()))
}

fn within(field: Field) -> impl Fn(CborError) -> BadPayload {
    move |error| BadPayload::Cbor {
        field: Some(field),
        error,
    }
}

fn outside(error: CborError) -> BadPayload {
    BadPayload::Cbor { field: None, error }
}

/// AWS's specification: 1 to 32 registers.
const MAX_PCRS: u64 = 32;

/// AWS's specification gives no upper bound; hardware sends 4.
const MAX_CABUNDLE: u64 = 8;

/// AWS's specification, and the most that the NSM takes in: 1024 bytes.
const MAX_FIELD: usize = 1024;

#[cfg(test)]
mod tests;
