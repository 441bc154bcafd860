//! Names of things: 32-byte ids and digests, and the task's name.
//!
//! All of them are public values: they may be logged, compared and copied.

use core::fmt;
use core::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                parse_hex(text).map(Self)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = core::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                fixed_bytes(deserializer).map(Self)
            }
        }
    };
}

bytes32! {
    /// A SHA-256 digest under one of this protocol's labels.
    Digest
}
bytes32! {
    /// One run of a round: the digest of its [`crate::RoundBinding`].
    RoundId
}
bytes32! {
    /// A client: its Ed25519 public key. Under open admission nobody checks
    /// that the client holds the private half.
    ClientId
}
bytes32! {
    /// One opening of a round, however often it is asked for: 32 random bytes of the
    /// parent's. It is in no binding and proves nothing.
    OpeningId
}
bytes32! {
    /// A client's challenge for fresh evidence; 32 random bytes.
    ClientNonce
}

bytes32! {
    /// The public key that signs a round's parameters. The client's policy pins it.
    OperatorKey
}
bytes32! {
    /// The public key that vouches for registries. The client's policy may pin it.
    AuthorityKey
}
bytes32! {
    /// The public key that signs a round's receipts. The evidence vouches for it.
    ReceiptKey
}

/// A task: 1 to 64 characters out of `a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskName(String);

impl TaskName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TaskName {
    type Error = TaskNameError;

    fn try_from(name: String) -> Result<Self, TaskNameError> {
        if name.is_empty() || name.len() > TASK_NAME_LIMIT {
            return Err(TaskNameError::Length(name.len()));
        }
        match name
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
        {
            Some(c) => Err(TaskNameError::Character(c)),
            None => Ok(Self(name)),
        }
    }
}

impl FromStr for TaskName {
    type Err = TaskNameError;

    fn from_str(name: &str) -> Result<Self, TaskNameError> {
        Self::try_from(name.to_owned())
    }
}

impl From<TaskName> for String {
    fn from(name: TaskName) -> Self {
        name.0
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a task's name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskNameError {
    /// Too short or too long, in bytes.
    #[error("a task's name has 1 to 64 characters, this one has {0}")]
    Length(usize),
    /// A character outside the alphabet.
    #[error("a task's name is made of a-z, 0-9, '.', '_' and '-', not {0:?}")]
    Character(char),
}

/// Why a text is not a 32-byte value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// Not 64 characters long.
    #[error("expected 64 hexadecimal characters, found {0}")]
    Length(usize),
    /// Not hexadecimal.
    #[error("expected hexadecimal characters only")]
    Character,
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex(text: &str) -> Result<[u8; 32], HexError> {
    if text.len() != 64 {
        return Err(HexError::Length(text.len()));
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        // from_str_radix would also take a sign.
        if !pair.iter().all(u8::is_ascii_hexdigit) {
            return Err(HexError::Character);
        }
        let pair = core::str::from_utf8(pair).map_err(|_| HexError::Character)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| HexError::Character)?;
    }
    Ok(bytes)
}

/// Reads a byte string of exactly `N` bytes.
pub(crate) fn fixed_bytes<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    struct Fixed<const N: usize>;
    impl<'de, const N: usize> Visitor<'de> for Fixed<N> {
        type Value = [u8; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a byte string of {N} bytes")
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
            bytes
                .try_into()
                .map_err(|_| E::invalid_length(bytes.len(), &self))
        }
    }
    deserializer.deserialize_bytes(Fixed)
}

const TASK_NAME_LIMIT: usize = 64;
