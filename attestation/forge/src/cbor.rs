//! CBOR items, written one by one: a test replaces whichever it wants.

/// Text.
pub fn text(value: &str) -> Vec<u8> {
    [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
}

/// A byte string.
pub fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len() as u64), value.to_vec()].concat()
}

/// An unsigned integer.
pub fn unsigned(value: u64) -> Vec<u8> {
    head(0, value)
}

/// An array of encoded items.
pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// A map of encoded keys and values, in this order.
pub fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = head(5, entries.len() as u64);
    for (key, value) in entries {
        out.extend(key);
        out.extend(value);
    }
    out
}

/// The same map without a length, up to a break.
pub fn open_map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let definite = map(entries);
    let head = head(5, entries.len() as u64).len();
    [&[0xbf], &definite[head..], &[0xff]].concat()
}

/// A byte string in two chunks.
pub fn chunked(value: &[u8]) -> Vec<u8> {
    let (first, second) = value.split_at(value.len() / 2);
    [vec![0x5f], bytes(first), bytes(second), vec![0xff]].concat()
}

/// Null.
pub fn null() -> Vec<u8> {
    vec![0xf6]
}

/// The head of an item, in the fewest bytes (RFC 8949, section 3).
pub fn head(major: u8, argument: u64) -> Vec<u8> {
    let major = major << 5;
    let big_endian = argument.to_be_bytes();
    match argument {
        0..=23 => vec![major | big_endian[7]],
        24..=0xff => vec![major | 24, big_endian[7]],
        0x100..=0xffff => [&[major | 25], &big_endian[6..]].concat(),
        0x1_0000..=0xffff_ffff => [&[major | 26], &big_endian[4..]].concat(),
        _ => [&[major | 27], &big_endian[..]].concat(),
    }
}
