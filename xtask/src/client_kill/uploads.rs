//! What the wire saw of each client's uploads, and what shows that something was sealed twice.
//!
//! A client that seals anew draws a new key, so its bytes differ from the header on. Of all that
//! one client sent for one round number, in whatever enclave, each must be the beginning of the
//! longest, and those that were whole must be the same.

use std::collections::BTreeMap;

/// One upload, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) client: String,
    /// Bytes that its head announced.
    pub(crate) announced: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Upload {
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.len() == self.announced
    }
}

/// The uploads of one round number that are none of the client's one contribution.
pub(crate) fn double_seals(uploads: &[Upload]) -> usize {
    let mut by_client: BTreeMap<&str, Vec<&Upload>> = BTreeMap::new();
    for upload in uploads {
        by_client.entry(&upload.client).or_default().push(upload);
    }
    let others = by_client.values().map(|uploads| {
        // The first that came furthest; the others are compared with it.
        let longest = uploads.iter().max_by_key(|upload| upload.bytes.len());
        let other = |upload: &&&Upload| longest.is_some_and(|longest| !same(upload, longest));
        uploads.iter().filter(other).count()
    });
    others.sum()
}

/// Whether `upload` is the beginning of `longest`, and the same if it is whole.
fn same(upload: &Upload, longest: &Upload) -> bool {
    upload.announced == longest.announced && longest.bytes.starts_with(&upload.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(client: &str, announced: usize, bytes: &[u8]) -> Upload {
        Upload {
            client: client.to_owned(),
            announced,
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn the_same_bytes_again_and_beginnings_of_them_are_one_contribution() {
        let uploads = [
            upload("a", 4, b"ab"),
            upload("a", 4, b"abcd"),
            upload("a", 4, b""),
            upload("a", 4, b"abcd"),
            upload("b", 3, b"xyz"),
        ];
        assert_eq!(double_seals(&uploads), 0);
        assert!(uploads[1].is_whole() && !uploads[0].is_whole());
    }

    #[test]
    fn other_bytes_of_the_same_client_are_a_second_contribution() {
        let whole = [upload("a", 4, b"abcd"), upload("a", 4, b"abce")];
        let begun = [upload("a", 4, b"abcd"), upload("a", 4, b"b")];
        let longer = [upload("a", 4, b"abcd"), upload("a", 5, b"abcde")];
        for uploads in [whole, begun, longer] {
            assert_eq!(double_seals(&uploads), 1, "{uploads:?}");
        }
    }
}
