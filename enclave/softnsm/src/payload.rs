//! What a document says, and its bytes: the payload map in the order, the types
//! and the two forms (definite and indefinite length) that hardware uses.

use std::collections::BTreeMap;
use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::encode::Error;

/// The payload of one document. Holds any value, sound or not, so that tests of
/// verifiers can say what hardware never would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Instance and enclave.
    pub module_id: String,
    /// The registers' digest; hardware says `SHA384`.
    pub digest: String,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Index (0..31) to value (48 bytes).
    pub pcrs: BTreeMap<u16, Vec<u8>>,
    /// The leaf, DER.
    pub certificate: Vec<u8>,
    /// Its issuers, DER, root first.
    pub cabundle: Vec<Vec<u8>>,
    /// At most 1024 bytes; `None` becomes a CBOR null.
    pub public_key: Option<Vec<u8>>,
    /// As above.
    pub user_data: Option<Vec<u8>>,
    /// As above.
    pub nonce: Option<Vec<u8>>,
}

impl Payload {
    /// The CBOR map. `definite`: the form of documents up to 2025-04;
    /// otherwise that of those from 2025-10 on.
    pub fn encode(&self, definite: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut Encoder::new(&mut bytes), definite)
            .expect("a Vec takes whatever is written to it");
        bytes
    }

    fn write(
        &self,
        e: &mut Encoder<&mut Vec<u8>>,
        definite: bool,
    ) -> Result<(), Error<Infallible>> {
        if definite {
            e.map(FIELDS)?;
        } else {
            e.begin_map()?;
        }
        e.str("module_id")?.str(&self.module_id)?;
        e.str("digest")?.str(&self.digest)?;
        e.str("timestamp")?.u64(self.timestamp_ms)?;
        e.str("pcrs")?.map(count(self.pcrs.len()))?;
        for (index, value) in &self.pcrs {
            e.u16(*index)?.bytes(value)?;
        }
        e.str("certificate")?.bytes(&self.certificate)?;
        e.str("cabundle")?.array(count(self.cabundle.len()))?;
        for certificate in &self.cabundle {
            e.bytes(certificate)?;
        }
        for (name, value) in [
            ("public_key", &self.public_key),
            ("user_data", &self.user_data),
            ("nonce", &self.nonce),
        ] {
            e.str(name)?;
            match value {
                Some(value) => e.bytes(value)?,
                None => e.null()?,
            };
        }
        if !definite {
            e.end()?;
        }
        Ok(())
    }
}

fn count(len: usize) -> u64 {
    len as u64
}

const FIELDS: u64 = 9;
