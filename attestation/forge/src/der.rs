//! DER, written value by value: certificate libraries refuse to make most of the certificates that
//! a verifier must refuse.

/// Tag, length, contents: at most 65535 bytes of them.
///
/// # Panics
/// If they are longer.
pub fn tlv<C: AsRef<[u8]>>(tag: u8, contents: &[C]) -> Vec<u8> {
    let content: Vec<u8> = contents.iter().flat_map(|c| c.as_ref()).copied().collect();
    let length = u16::try_from(content.len())
        .expect("a certificate's part is below 64 KiB")
        .to_be_bytes();
    let head = match (length, content.len()) {
        ([_, low], 0..=127) => vec![tag, low],
        ([_, low], 128..=255) => vec![tag, 0x81, low],
        ([high, low], _) => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// AlgorithmIdentifier without parameters.
pub fn algorithm(oid: &[u8]) -> Vec<u8> {
    tlv(0x30, &[tlv(0x06, &[oid])])
}

/// SubjectPublicKeyInfo of an elliptic curve.
pub fn key_info(curve: &[u8], point: &[u8]) -> Vec<u8> {
    let algorithm = tlv(0x30, &[tlv(0x06, &[EC_PUBLIC_KEY]), tlv(0x06, &[curve])]);
    tlv(0x30, &[algorithm, tlv(0x03, &[&[0], point])])
}

/// SubjectPublicKeyInfo of an Ed25519 key.
pub fn ed25519_key_info() -> Vec<u8> {
    tlv(0x30, &[algorithm(ED25519), tlv(0x03, &[[0; 33]])])
}

/// SubjectPublicKeyInfo of an RSA key, a small one.
pub fn rsa_key_info() -> Vec<u8> {
    let algorithm = tlv(0x30, &[tlv(0x06, &[RSA_ENCRYPTION]), vec![0x05, 0x00]]);
    let key = [0x00, 0x30, 0x06, 0x02, 0x01, 0x23, 0x02, 0x01, 0x03];
    tlv(0x30, &[algorithm, tlv(0x03, &[key])])
}

/// One extension around its content's DER.
pub fn extension(oid: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![tlv(0x06, &[oid])];
    if critical {
        parts.push(tlv(0x01, &[&[0xff]]));
    }
    parts.push(tlv(0x04, &[content]));
    tlv(0x30, &parts)
}

/// basicConstraints, critical.
pub fn basic_constraints(authority: bool, path_length: Option<u8>) -> Vec<u8> {
    let mut parts = Vec::new();
    if authority {
        parts.push(tlv(0x01, &[&[0xff]]));
    }
    parts.extend(path_length.map(|length| tlv(0x02, &[&[length]])));
    extension(&[0x55, 0x1d, 0x13], true, &tlv(0x30, &parts))
}

/// keyUsage. `bits` is the first octet of the bit string, with its unused bits in front.
pub fn key_usage(critical: bool, bits: [u8; 2]) -> Vec<u8> {
    extension(&[0x55, 0x1d, 0x0f], critical, &tlv(0x03, &[&bits]))
}

/// extendedKeyUsage of TLS clients.
pub fn extended_key_usage() -> Vec<u8> {
    let usages = tlv(0x30, &[tlv(0x06, &[CLIENT_AUTH])]);
    extension(&[0x55, 0x1d, 0x25], false, &usages)
}

/// A name of one common name.
pub fn name(common_name: &str) -> Vec<u8> {
    let attribute = [
        tlv(0x06, &[&[0x55, 0x04, 0x03]]),
        tlv(0x0c, &[common_name.as_bytes()]),
    ];
    tlv(0x30, &[tlv(0x31, &[tlv(0x30, &attribute)])])
}

/// ecdsa-with-SHA384 (RFC 5758).
pub const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
/// ecdsa-with-SHA256 (RFC 5758).
pub const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// id-ecPublicKey (RFC 5480).
pub const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// secp384r1 (RFC 5480).
pub const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// secp256r1 (RFC 5480).
pub const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// id-Ed25519 (RFC 8410), for keys and signatures.
pub const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// rsaEncryption (RFC 8017).
pub const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// sha384WithRSAEncryption (RFC 8017).
pub const RSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c];
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// Bit 0, and seven unused bits.
pub const DIGITAL_SIGNATURE: [u8; 2] = [7, 0x80];
/// Bit 1, and six unused bits.
pub const NON_REPUDIATION: [u8; 2] = [6, 0x40];
/// Bit 5, and two unused bits.
pub const KEY_CERT_SIGN: [u8; 2] = [2, 0x04];
/// Bits 0 and 5, and two unused bits.
pub const DIGITAL_SIGNATURE_AND_KEY_CERT_SIGN: [u8; 2] = [2, 0x84];
