//! A document of which every item can be replaced, by bytes of any kind, before it is signed or
//! after.

use crate::cbor::{array, bytes, map, null, open_map, text, unsigned};
use crate::key::Key;
use crate::pki::Pki;
use crate::{MODULE_ID, NONCE, NOW_MS, USER_DATA};

/// What a document says, and how it says it. Items are encoded CBOR.
#[derive(Clone)]
pub struct Document {
    /// Key and value of each entry of the payload's map.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the map has no length but a break, as on hardware from 2025-10 on.
    pub open: bool,
    /// The outer array's head, and what is before it.
    pub head: Vec<u8>,
    /// The protected header, a byte string.
    pub protected: Vec<u8>,
    /// The unprotected header, a map.
    pub unprotected: Vec<u8>,
    pub(crate) key: Key,
}

/// The envelope's last two items, and what is signed, each open to change.
#[derive(Clone)]
pub struct Signed {
    /// The payload, a byte string.
    pub payload: Vec<u8>,
    /// The signature, a byte string.
    pub signature: Vec<u8>,
    front: Vec<u8>,
}

impl Document {
    /// A sound document under a sound chain.
    pub fn sound() -> Self {
        Self::under(&Pki::sound())
    }

    /// A sound document over what `pki` issues.
    pub fn under(pki: &Pki) -> Self {
        Self::with_chain(pki, &pki.issue())
    }

    /// A document signed by `pki`'s leaf key, with `chain` (root first, leaf last) in it.
    ///
    /// # Panics
    /// If `chain` is empty.
    pub fn with_chain(pki: &Pki, chain: &[Vec<u8>]) -> Self {
        let (leaf, cabundle) = chain.split_last().expect("a chain has a leaf");
        let cabundle: Vec<_> = cabundle.iter().map(|der| bytes(der)).collect();
        let entries = [
            ("module_id", text(MODULE_ID)),
            ("digest", text("SHA384")),
            ("timestamp", unsigned(NOW_MS)),
            ("pcrs", pcrs(0..16)),
            ("certificate", bytes(leaf)),
            ("cabundle", array(&cabundle)),
            ("public_key", null()),
            ("user_data", bytes(&USER_DATA)),
            ("nonce", bytes(&NONCE)),
        ];
        Self {
            entries: entries.map(|(key, value)| (text(key), value)).to_vec(),
            open: true,
            head: vec![0x84],
            protected: bytes(PROTECTED),
            unprotected: vec![0xa0],
            key: pki.key(pki.certificates.len() - 1).clone(),
        }
    }

    /// The same document with another value for `key`.
    ///
    /// # Panics
    /// If it has no such key.
    #[must_use]
    pub fn with(mut self, key: &str, value: Vec<u8>) -> Self {
        let place = self.place(key);
        self.entries[place].1 = value;
        self
    }

    /// The same document without `key`.
    ///
    /// # Panics
    /// If it has no such key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.entries.remove(self.place(key));
        self
    }

    /// The encoded value of `key`.
    ///
    /// # Panics
    /// If it has no such key.
    pub fn value(&self, key: &str) -> &[u8] {
        &self.entries[self.place(key)].1
    }

    fn place(&self, key: &str) -> usize {
        let key = text(key);
        let place = self.entries.iter().position(|(own, _)| *own == key);
        place.expect("a key of the payload")
    }

    /// The payload's map.
    pub fn payload(&self) -> Vec<u8> {
        if self.open {
            open_map(&self.entries)
        } else {
            map(&self.entries)
        }
    }

    /// The document as it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        self.sign(&self.payload()).bytes()
    }

    /// The document around another payload.
    pub fn sign(&self, payload: &[u8]) -> Signed {
        self.sign_as("Signature1", PROTECTED, &[], payload)
    }

    /// The document with a signature over a Sig_structure of these parts (RFC 9052, section 4.4).
    pub fn sign_as(
        &self,
        context: &str,
        protected: &[u8],
        external: &[u8],
        payload: &[u8],
    ) -> Signed {
        let structure = [
            text(context),
            bytes(protected),
            bytes(external),
            bytes(payload),
        ];
        Signed {
            payload: bytes(payload),
            signature: bytes(&self.key.sign(&array(&structure))),
            front: [&self.head[..], &self.protected, &self.unprotected].concat(),
        }
    }
}

impl Signed {
    /// The document as it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.front[..], &self.payload, &self.signature].concat()
    }

    /// r and s.
    pub fn scalars(&self) -> [&[u8]; 2] {
        let at = self.signature.len() - 96;
        [&self.signature[at..at + 48], &self.signature[at + 48..]]
    }
}

/// Registers of these indices, each with a value of its own: `a0`, 48 times, for PCR0, and so on.
pub fn pcrs(indices: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let entries: Vec<_> = indices
        .into_iter()
        .map(|index| (unsigned(index.into()), bytes(&[0xa0 + index; 48])))
        .collect();
    map(&entries)
}

/// `{1: -35}`, ES384.
pub const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
