//! Freshness: decides whether a document answers this client's challenge, now (checklist 8).
//!
//! It trusts the caller's clock, within the policy's skew. That the leaf certificate is still valid
//! proves nothing here: hardware signs with one leaf for hours.

use sealsum_protocol::{ClientNonce, NoncePath, UnixMillis};

use crate::document::UnverifiedDocument;
use crate::rejection::Rejection;

/// Checks that the document's nonce is the root that `nonce` leads to along `path`.
pub(crate) fn answers(
    document: &UnverifiedDocument,
    nonce: &ClientNonce,
    path: &NoncePath,
) -> Result<(), Rejection> {
    let expected = path.lead(nonce).ok_or(Rejection::NoncePath {
        index: path.index,
        size: path.size,
        length: path.path.len(),
    })?;
    carries(document, &expected)
}

/// Checks that the document's nonce is `expected`.
pub(crate) fn carries(document: &UnverifiedDocument, expected: &[u8]) -> Result<(), Rejection> {
    match document.nonce() {
        None => Err(Rejection::NoNonce {
            expected: expected.to_vec(),
        }),
        // 8: equal as a whole, neither prefix nor extension.
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(Rejection::WrongNonce {
            expected: expected.to_vec(),
            found: found.to_vec(),
        }),
    }
}

/// 8: the time that a clock of `now` stands for, if it may be `clock_skew_ms` behind: never past
/// the document's own time. A leaf's notBefore is 3 s before the first document that it signs, so
/// a clock 4 s behind would find it not yet valid.
pub(crate) fn reading(now: UnixMillis, signed_at: UnixMillis, clock_skew_ms: u64) -> UnixMillis {
    if signed_at.since(now) <= clock_skew_ms {
        now.max(signed_at)
    } else {
        now
    }
}

/// Checks a document signed at `signed_at` against the time `now`.
pub(crate) fn is_timely(
    signed_at: UnixMillis,
    now: UnixMillis,
    max_age_ms: u64,
    clock_skew_ms: u64,
) -> Result<(), Rejection> {
    // 8: document age <= max_age.
    if now.since(signed_at) > max_age_ms {
        return Err(Rejection::TooOld {
            signed_at,
            now,
            max_age_ms,
        });
    }
    // 8: not in the future beyond skew.
    if signed_at.since(now) > clock_skew_ms {
        return Err(Rejection::FromTheFuture {
            signed_at,
            now,
            clock_skew_ms,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED_AT: UnixMillis = UnixMillis(1_700_000_000_000);

    fn code(now: u64) -> Option<&'static str> {
        is_timely(SIGNED_AT, UnixMillis(now), 300_000, 10_000)
            .err()
            .map(|rejection| rejection.code())
    }

    #[test]
    fn a_document_is_timely_up_to_its_limits_and_not_a_millisecond_beyond() {
        assert_eq!(code(SIGNED_AT.0 + 300_000), None);
        assert_eq!(code(SIGNED_AT.0 + 300_001), Some("too-old"));
        assert_eq!(code(SIGNED_AT.0 - 10_000), None);
        assert_eq!(code(SIGNED_AT.0 - 10_001), Some("from-the-future"));
        assert_eq!(code(0), Some("from-the-future"));
        assert_eq!(code(u64::MAX), Some("too-old"));
    }
}
