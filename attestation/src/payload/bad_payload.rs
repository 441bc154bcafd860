//! The names of the payload's fields, and of what can be wrong with them (checklist 2 and 3).

use core::fmt;

use crate::cbor::CborError;
use crate::pcr::{Pcr, PcrIndex};

/// Why the payload was refused. Whoever made the document is at fault; ask for another one.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPayload {
    /// Not the CBOR that is due there.
    #[error("{}: {error}", Place(*.field))]
    Cbor {
        /// The field, or `None` for the map itself and its keys.
        field: Option<Field>,
        /// What is wrong; offsets count from the payload's first byte.
        error: CborError,
    },
    /// A key that the hardware does not send.
    #[error("the payload has an unknown key, {bytes_from_end} bytes before its end")]
    UnknownField {
        /// Where it starts, counted from the payload's end.
        bytes_from_end: usize,
    },
    /// A key that comes twice.
    #[error("the payload has the key {0} twice")]
    DuplicateField(Field),
    /// A mandatory key that does not come.
    #[error("the payload lacks the key {0}")]
    Missing(Field),
    /// The module's id is empty text.
    #[error("module_id is empty; expected the enclave's id")]
    EmptyModuleId,
    /// Registers hashed with something else than SHA-384.
    #[error("digest is not \"SHA384\"")]
    Digest,
    /// A time of zero, or beyond 63 bits.
    #[error("timestamp is {found} ms; expected 1 to {}", i64::MAX)]
    Timestamp {
        /// The time, in Unix ms.
        found: u64,
    },
    /// No register, or more than the bank has.
    #[error("the document reports {found} PCRs; expected 1 to 32")]
    PcrCount {
        /// How many.
        found: u64,
    },
    /// A register that the bank does not have.
    #[error("the document reports PCR{found}; the last one is PCR31")]
    PcrIndex {
        /// Its index.
        found: u64,
    },
    /// A register that is reported twice.
    #[error("the document reports {0} twice")]
    DuplicatePcr(PcrIndex),
    /// A register whose value is no SHA-384 digest.
    #[error("{index} has {found} bytes; expected {}", Pcr::LENGTH)]
    PcrLength {
        /// Which register.
        index: PcrIndex,
        /// Its size in bytes.
        found: usize,
    },
    /// No intermediate certificate, or too many.
    #[error("cabundle has {found} certificates; expected 1 to 8")]
    CabundleCount {
        /// How many.
        found: u64,
    },
    /// A certificate that is empty or too large.
    #[error("a certificate in {field} has {found} bytes; expected 1 to 1024")]
    CertificateLength {
        /// `certificate` or `cabundle`.
        field: Field,
        /// Its size in bytes.
        found: usize,
    },
    /// An optional field that is too large.
    #[error("{field} has {found} bytes; expected at most 1024")]
    OptionalLength {
        /// Which one.
        field: Field,
        /// Its size in bytes.
        found: usize,
    },
    /// Something follows the map.
    #[error("{count} bytes follow the payload's map; expected none")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

impl BadPayload {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Cbor { error, .. } => match error {
                CborError::Truncated { .. } => "payload-truncated",
                CborError::WrongType { .. } => "payload-wrong-type",
                CborError::Indefinite { .. } => "payload-indefinite",
                CborError::NotMinimal { .. } => "payload-not-minimal",
                CborError::NotUtf8 { .. } => "payload-not-utf8",
            },
            Self::UnknownField { .. } => "payload-unknown-field",
            Self::DuplicateField(_) => "payload-duplicate-field",
            Self::Missing(_) => "payload-missing-field",
            Self::EmptyModuleId => "payload-module-id",
            Self::Digest => "payload-digest",
            Self::Timestamp { .. } => "payload-timestamp",
            Self::PcrCount { .. } => "payload-pcr-count",
            Self::PcrIndex { .. } => "payload-pcr-index",
            Self::DuplicatePcr(_) => "payload-duplicate-pcr",
            Self::PcrLength { .. } => "payload-pcr-length",
            Self::CabundleCount { .. } => "payload-cabundle-count",
            Self::CertificateLength { .. } => "payload-certificate-length",
            Self::OptionalLength { .. } => "payload-optional-length",
            Self::TrailingBytes { .. } => "payload-trailing-bytes",
        }
    }

    /// 2: the map as such; 3: what a field holds.
    pub(crate) fn checklist_number(&self) -> u8 {
        match self {
            Self::Cbor { .. }
            | Self::UnknownField { .. }
            | Self::DuplicateField(_)
            | Self::TrailingBytes { .. } => 2,
            _ => 3,
        }
    }
}

/// A key of the payload's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The enclave's id.
    ModuleId,
    /// The registers' hash function.
    Digest,
    /// When the NSM signed, in Unix ms.
    Timestamp,
    /// The registers.
    Pcrs,
    /// The leaf certificate.
    Certificate,
    /// The certificates above it, root first.
    Cabundle,
    /// Free for the enclave to fill.
    PublicKey,
    /// Free for the enclave to fill; here the RoundId.
    UserData,
    /// Free for the enclave to fill; here what the clients' nonces lead to.
    Nonce,
}

impl Field {
    /// The key as it stands in the map.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ModuleId => "module_id",
            Self::Digest => "digest",
            Self::Timestamp => "timestamp",
            Self::Pcrs => "pcrs",
            Self::Certificate => "certificate",
            Self::Cabundle => "cabundle",
            Self::PublicKey => "public_key",
            Self::UserData => "user_data",
            Self::Nonce => "nonce",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL_FIELDS.into_iter().find(|field| field.name() == name)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

struct Place(Option<Field>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(field) => write!(f, "in the payload's {field}"),
            None => f.write_str("in the payload's map"),
        }
    }
}

const ALL_FIELDS: [Field; 9] = [
    Field::ModuleId,
    Field::Digest,
    Field::Timestamp,
    Field::Pcrs,
    Field::Certificate,
    Field::Cabundle,
    Field::PublicKey,
    Field::UserData,
    Field::Nonce,
];
