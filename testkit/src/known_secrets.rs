//! Secrets that a test knows, and the search for them in whatever a run left behind.
//!
//! A secret is looked for in the forms in which it would leak: raw, in hexadecimal, in
//! base64, as the list of numbers that `Debug` writes; a coordinate also as text, as a float of either
//! width, and as the words and packed bits that it is encoded to.

use std::collections::BTreeMap;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable as _, Kem as _, OpModeS, Serializable as _};
use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::pack::pack;
use sealsum_protocol::{
    Encapsulation, Encoding, KemSuite, MaskSeed, ReceiptSigner, RingBits, RingVector, RoundBinding,
    Sealed, label, seal,
};

use crate::{Contribution, SeededRng, client_id};

/// What to look for.
pub struct KnownSecrets {
    /// By the first bytes: whose, in what form, and all the bytes.
    forms: BTreeMap<[u8; PREFIX], Vec<(String, Vec<u8>)>>,
    /// Which pairs of bytes a form begins with: a whole process's memory is searched in a second.
    begins: Vec<bool>,
}

impl Default for KnownSecrets {
    fn default() -> Self {
        Self {
            forms: BTreeMap::new(),
            begins: vec![false; 1 << 16],
        }
    }
}

impl KnownSecrets {
    /// Bytes that must not appear: at least 16, too many to appear by chance.
    pub fn add(&mut self, what: &str, bytes: &[u8]) {
        assert!(bytes.len() >= 16, "{what} could appear by chance");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let list: Vec<_> = bytes.iter().map(u8::to_string).collect();
        self.form(what, "raw", bytes.to_vec());
        self.form(what, "hex", hex.to_uppercase().into_bytes());
        self.form(what, "hex", hex.into_bytes());
        self.form(what, "base64", base64(bytes).into_bytes());
        self.form(what, "a list", list.join(", ").into_bytes());
        self.form(what, "a list", list.join(",").into_bytes());
    }

    /// An update whose coordinates are all `value`, under `fractional_bits` in a ring of `bits`.
    /// `value` has seven telling digits.
    pub fn add_coordinate(&mut self, what: &str, value: f32, fractional_bits: u8, bits: RingBits) {
        let wide = f64::from(value);
        let steps = (wide * 2_f64.powi(fractional_bits.into())).round() as i64;
        let residue = steps.rem_euclid(1 << bits.get());
        // Seven digits as either width writes them, whatever follows; six as rounded.
        for text in [
            format!("{value}"),
            format!("{wide}"),
            format!("{value:e}"),
            format!("{wide:e}"),
        ] {
            let digits = text.trim_start_matches('-').as_bytes();
            self.form(what, "text", digits[..9].to_vec());
        }
        let rounded = format!("{:.6}", wide.abs());
        self.form(what, "rounded text", rounded.into_bytes());
        let twice = |bytes: &[u8]| bytes.repeat(REPEATS);
        self.form(what, "f32", twice(&value.to_le_bytes()));
        self.form(what, "f32, big-endian", twice(&value.to_be_bytes()));
        self.form(what, "f64", twice(&wide.to_le_bytes()));
        self.form(what, "f64, big-endian", twice(&wide.to_be_bytes()));
        for number in [steps, residue] {
            let narrow = number as u32;
            self.form(what, "32-bit words", twice(&narrow.to_le_bytes()));
            self.form(what, "64-bit words", twice(&number.to_le_bytes()));
            for separator in [", ", ",", " "] {
                let text = vec![number.to_string(); REPEATS].join(separator);
                self.form(what, "steps as text", text.into_bytes());
            }
        }
        self.form(what, "packed", pack(&constant(steps, bits)));
    }

    /// The first secret in `haystack`: whose, and in what form.
    #[must_use]
    pub fn found_in(&self, haystack: &[u8]) -> Option<&str> {
        haystack.windows(2).enumerate().find_map(|(at, pair)| {
            if !self.begins[pair_number(pair)] {
                return None;
            }
            let rest = haystack.get(at..)?;
            let forms = self.forms.get(rest.first_chunk::<PREFIX>()?)?;
            let found = forms.iter().find(|(_, form)| rest.starts_with(form));
            found.map(|(what, _)| what.as_str())
        })
    }

    /// Fails if any of it is in `haystack`.
    pub fn assert_absent(&self, place: &str, haystack: &[u8]) {
        if let Some(what) = self.found_in(haystack) {
            panic!("{place} has {what}");
        }
    }

    fn form(&mut self, what: &str, form: &str, bytes: Vec<u8>) {
        let prefix = *bytes.first_chunk().expect("a form too short to be telling");
        self.begins[pair_number(&prefix)] = true;
        let of = self.forms.entry(prefix).or_default();
        of.push((format!("{what} as {form}"), bytes));
    }
}

/// The contribution of client number `n`, with everything about it that nobody else may
/// learn.
#[must_use]
pub fn known_contribution(
    binding: &RoundBinding,
    n: u64,
    value: f32,
    secrets: &mut KnownSecrets,
) -> Contribution {
    let params = &binding.params.params;
    let (terms, id) = (params.terms(), client_id(n));
    let randomness = || SeededRng::new(n ^ 0x6b6e_6f77);
    let values = vec![f64::from(value); usize::try_from(terms.dimension).unwrap()];
    let rounding = RoundingSeed::new([7; 32]);
    let update = Encoding::new(params, &values, 1, OutOfRange::Refuse, &rounding).unwrap();
    let encapsulation = Encapsulation::to(binding, &id, &mut randomness()).unwrap();
    let Sealed { header, masked, .. } = seal(encapsulation, update).unwrap();

    let again = match terms.kem {
        KemSuite::X25519 => agree_again::<X25519HkdfSha256>(binding, n, randomness()),
        KemSuite::XWing => agree_again::<XWing>(binding, n, randomness()),
    };
    assert_eq!(
        header.encapsulated_key.as_slice(),
        again.0,
        "another agreement than the contribution's"
    );
    let seed = again.1;
    let mut mask = RingVector::zeros(terms.ring_bits, 16);
    MaskSeed::new(&seed)
        .expand(terms.ring_bits)
        .wrapping_add_to(0, &mut mask)
        .unwrap();
    secrets.add(&format!("client {n}'s mask seed"), &seed);
    // What is left of one in freed memory: an allocator writes its own over the beginning.
    secrets.add(&format!("half of client {n}'s mask seed"), &seed[16..]);
    secrets.add(&format!("client {n}'s mask"), &pack(&mask));
    secrets.add_coordinate(
        &format!("client {n}'s update"),
        value,
        terms.fractional_bits,
        terms.ring_bits,
    );
    Contribution {
        header,
        body: masked.0,
    }
}

/// The same agreement again, with nothing hidden in it: the encapsulated key and the seed.
fn agree_again<K: hpke::Kem>(
    binding: &RoundBinding,
    n: u64,
    mut randomness: SeededRng,
) -> (Vec<u8>, [u8; 32]) {
    let key = K::PublicKey::from_bytes(&binding.kem_key).unwrap();
    let info = [
        &prefixed(label::HPKE_INFO)[..],
        binding.round_id().as_bytes(),
    ]
    .concat();
    let context = [&prefixed(label::MASK_SEED)[..], client_id(n).as_bytes()].concat();
    let (encapsulated, sender) = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeS::Base,
        &key,
        &info,
        &mut randomness,
    )
    .unwrap();
    let mut seed = [0; 32];
    sender.export(&context, &mut seed).unwrap();
    (encapsulated.to_bytes().to_vec(), seed)
}

/// The private keys of the first round that an enclave in this process opened, having been
/// made from `seed`, under X25519.
pub fn known_round_keys(seed: u64, binding: &RoundBinding, secrets: &mut KnownSecrets) {
    let mut entropy = SeededRng::new(seed);
    let (kem, receipt): ([u8; 32], [u8; 32]) = (entropy.bytes(), entropy.bytes());
    let material = [&prefixed(label::KEM_IKM)[..], &kem].concat();
    let (private, public) = X25519HkdfSha256::derive_keypair(&material);
    assert_eq!(binding.kem_key.as_slice(), public.to_bytes().as_slice());
    assert_eq!(
        binding.receipt_key,
        ReceiptSigner::from_secret(&receipt).key()
    );
    secrets.add("the round's key entropy", &kem);
    secrets.add("the round's private key", &private.to_bytes());
    secrets.add("the round's receipt key", &receipt);
}

/// A label with its length in front, as labels are hashed.
fn prefixed(label: label::Label) -> Vec<u8> {
    let text = label.as_str().as_bytes();
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

/// Sixteen elements of `steps`.
fn constant(steps: i64, bits: RingBits) -> RingVector {
    RingVector::from_signed(bits, core::iter::repeat_n(steps, 16))
}

/// RFC 4648 §4, without padding: what comes after a secret is not known.
fn base64(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks_exact(3)
        .flat_map(|three| {
            let all = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| char::from(digits[(all >> shift & 63) as usize]))
        })
        .collect()
}

fn pair_number(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// Bytes that every form has at least.
const PREFIX: usize = 8;
/// How many equal coordinates in a row are no chance.
const REPEATS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn bits() -> RingBits {
        RingBits::new(24).unwrap()
    }

    #[test]
    fn a_secret_is_found_in_every_form_that_a_program_would_write() {
        let secret: [u8; 32] = core::array::from_fn(|i| i as u8 * 7);
        let mut secrets = KnownSecrets::default();
        secrets.add("the key", &secret);
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        for leak in [
            secret.to_vec(),
            format!("key={hex}").into_bytes(),
            format!("{secret:?}").into_bytes(),
            format!("MaskSeed({:?})", secret.to_vec()).into_bytes(),
            b"AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tk=".to_vec(),
        ] {
            let around = [b"before ".as_slice(), &leak, b" after"].concat();
            assert!(secrets.found_in(&around).is_some(), "{leak:?}");
        }
        assert_eq!(secrets.found_in(&[0; 100]), None);
        assert_eq!(secrets.found_in(&secret[..31]), None);
    }

    #[test]
    fn a_coordinate_is_found_as_text_as_float_and_as_ring_elements() {
        for value in [0.123_456_79_f32, -0.314_159_27, 0.577_215_7] {
            let mut secrets = KnownSecrets::default();
            secrets.add_coordinate("the update", value, 16, bits());
            let steps = (f64::from(value) * 65_536.0).round() as i64;
            for leak in [
                format!("{:?}", [value; 3]).into_bytes(),
                format!("{}", f64::from(value)).into_bytes(),
                format!("{value:e}").into_bytes(),
                format!("{value:.6}").into_bytes(),
                value.to_le_bytes().repeat(4),
                f64::from(value).to_le_bytes().repeat(4),
                (steps as i32).to_le_bytes().repeat(4),
                steps.to_le_bytes().repeat(4),
                format!("{:?}", [steps; 4]).into_bytes(),
                pack(&constant(steps, bits())),
            ] {
                assert!(secrets.found_in(&leak).is_some(), "{leak:?}");
            }
            assert_eq!(
                secrets.found_in(b"0.5 and 32768, 32768, 32768, 32768"),
                None
            );
        }
    }
}
