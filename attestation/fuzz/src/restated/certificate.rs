//! A certificate of AWS's shape, by hand from its DER (RFC 5280), and its issuer's signature by
//! RustCrypto's p384.

use p384::ecdsa::signature::Verifier as _;
use p384::ecdsa::{Signature, VerifyingKey};

pub(super) struct Certificate<'d> {
    signed: &'d [u8],
    signature: &'d [u8],
    pub(super) issuer: &'d [u8],
    pub(super) subject: &'d [u8],
    /// Unix ms.
    pub(super) validity: [i64; 2],
    point: &'d [u8],
    /// The contents of basicConstraints: authority, path length.
    pub(super) constraints: (bool, Option<u8>),
    /// The first octet of keyUsage.
    pub(super) usage: u8,
}

impl<'d> Certificate<'d> {
    pub(super) fn read(der: &'d [u8]) -> Option<Self> {
        let mut outer = Der(der);
        let mut certificate = Der(outer.take(0x30)?);
        let before = certificate.0;
        let mut tbs = Der(certificate.take(0x30)?);
        let signed = &before[..before.len() - certificate.0.len()];
        let outer_algorithm = certificate.take(0x30)?;
        let signature = certificate.take(0x03)?.strip_prefix(&[0])?;
        let version = tbs.take(0xa0)?;
        tbs.take(0x02)?;
        let inner_algorithm = tbs.take(0x30)?;
        let issuer = tbs.take(0x30)?;
        let mut validity = Der(tbs.take(0x30)?);
        let validity = [validity.time()?, validity.time()?];
        let subject = tbs.take(0x30)?;
        let point = tbs.take(0x30)?.strip_prefix(P384_POINT)?;
        // Unique ids.
        let _ = (tbs.take(0x81), tbs.take(0x82));
        let mut extensions = Der(Der(tbs.take(0xa3)?).take(0x30)?);
        let (mut constraints, mut usage) = (None, None);
        while !extensions.0.is_empty() {
            let mut extension = Der(extensions.take(0x30)?);
            let id = extension.take(0x06)?;
            let critical = extension.take(0x01).is_some();
            let value = extension.take(0x04)?;
            match id {
                [0x55, 0x1d, 0x13] if constraints.is_none() => {
                    let mut parts = Der(Der(value).take(0x30)?);
                    let authority = parts.take(0x01) == Some(&[0xff]);
                    let length = parts.take(0x02).and_then(|n| n.first().copied());
                    constraints = Some((authority, length));
                }
                [0x55, 0x1d, 0x0f] if usage.is_none() => {
                    usage = Some(*Der(value).take(0x03)?.get(1)?);
                }
                [0x55, 0x1d, 0x13 | 0x0f | 0x25] => return None,
                // What webpki, too, has to know of if it is critical: nothing of the kind.
                _ if critical => return None,
                _ => {}
            }
        }
        let holds = outer.0.is_empty()
            && certificate.0.is_empty()
            && tbs.0.is_empty()
            && version == [0x02, 0x01, 0x02]
            && outer_algorithm == ECDSA_WITH_SHA384
            && inner_algorithm == ECDSA_WITH_SHA384
            && point.len() == 97
            && point[0] == 4;
        holds.then_some(Self {
            signed,
            signature,
            issuer,
            subject,
            validity,
            point,
            constraints: constraints?,
            usage: usage?,
        })
    }

    pub(super) fn key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_sec1_bytes(self.point).ok()
    }

    pub(super) fn is_signed_by(&self, issuer: &Self) -> bool {
        let signature = Signature::from_der(self.signature);
        issuer
            .key()
            .zip(signature.ok())
            .is_some_and(|(key, signature)| key.verify(self.signed, &signature).is_ok())
    }
}

/// DER values one after another.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The contents of the next value, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = match (length, rest) {
            (0..=0x7f, rest) => (usize::from(*length), rest),
            (0x81, [low, rest @ ..]) if *low >= 0x80 => (usize::from(*low), rest),
            (0x82, [high, low, rest @ ..]) if *high > 0 => {
                (usize::from(u16::from_be_bytes([*high, *low])), rest)
            }
            _ => return None,
        };
        if *found != tag || length > rest.len() {
            return None;
        }
        let (contents, rest) = rest.split_at(length);
        self.0 = rest;
        Some(contents)
    }

    /// UTCTime or GeneralizedTime, in whole seconds and UTC (RFC 5280, section 4.1.2.5).
    fn time(&mut self) -> Option<i64> {
        let (year, rest) = match self.take(0x17) {
            Some(utc) => {
                let year = digits(utc.get(..2)?)?;
                (year + if year < 50 { 2000 } else { 1900 }, &utc[2..])
            }
            None => {
                let general = self.take(0x18)?;
                (digits(general.get(..4)?)?, &general[4..])
            }
        };
        let rest = rest.strip_suffix(b"Z").filter(|rest| rest.len() == 10)?;
        let mut parts = [0; 5];
        for (part, pair) in parts.iter_mut().zip(rest.chunks(2)) {
            *part = digits(pair)?;
        }
        let [month, day, hour, minute, second] = parts;
        let days = days_before(year, month) + day - 1;
        Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    core::str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?
        .parse()
        .ok()
}

/// Days from 1970-01-01 to the first of the month.
fn days_before(year: i64, month: i64) -> i64 {
    let leap = |year: i64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let of_year = |year| if leap(year) { 366 } else { 365 };
    let years: i64 =
        (1970..year).map(of_year).sum::<i64>() - (year..1970).map(of_year).sum::<i64>();
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months = months.iter().zip(1..month).map(|(days, _)| days);
    years + months.sum::<i64>()
}

/// The head of a SubjectPublicKeyInfo of P-384, up to its point: algorithm id-ecPublicKey with
/// curve secp384r1, bit string of 98 octets without unused bits.
const P384_POINT: &[u8] = &[
    0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
    0x00, 0x22, 0x03, 0x62, 0x00,
];

const ECDSA_WITH_SHA384: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
