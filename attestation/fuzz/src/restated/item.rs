//! A CBOR item by serde_cbor, which takes more forms than a verifier may, and the one form in
//! which it may be written. An input that is not that form is not strict.

use core::fmt;

use sealsum_forge::cbor;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Unsigned(u64),
    Bytes(Vec<u8>),
    Text(String),
    Null,
    Array(Vec<Item>),
    /// In the order in which they stand, each as often as it stands.
    Map(Vec<(Item, Item)>),
    /// Nothing that a document or an image may hold.
    Other,
}

impl Item {
    /// Reads all of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_cbor::from_slice(bytes).ok()
    }

    /// The item in the fewest bytes, with definite lengths.
    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Self::Unsigned(value) => cbor::unsigned(*value),
            Self::Bytes(value) => cbor::bytes(value),
            Self::Text(value) => cbor::text(value),
            Self::Null => cbor::null(),
            Self::Array(items) => cbor::array(&items.iter().map(Self::write).collect::<Vec<_>>()),
            Self::Map(entries) => cbor::map(&written(entries)),
            Self::Other => Vec::new(),
        }
    }

    /// The same, but a map ends with a break.
    pub(crate) fn write_open(&self) -> Vec<u8> {
        match self {
            Self::Map(entries) => cbor::open_map(&written(entries)),
            other => other.write(),
        }
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn map(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }
}

fn written(entries: &[(Item, Item)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    entries
        .iter()
        .map(|(k, v)| (k.write(), v.write()))
        .collect()
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyItem)
    }
}

struct AnyItem;

impl<'de> Visitor<'de> for AnyItem {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CBOR")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Item, E> {
        Ok(Item::Unsigned(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Item, E> {
        Ok(Item::Bytes(value.to_vec()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Item, E> {
        Ok(Item::Text(value.to_owned()))
    }

    /// Null, and undefined, which is written as null and so is another form.
    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Item::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Item, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Item::Map(map))
    }
}
