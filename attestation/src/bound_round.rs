//! Which round the evidence vouches for (checklist 9, I5).
//!
//! The round's id is recomputed here from the offered binding: version, parameters, KEM id and key,
//! receipt key. Nothing that the parent says about the id is taken over.

use sealsum_protocol::{RoundBinding, RoundId, VERSION};

use crate::authenticate::AuthenticDocument;
use crate::rejection::Rejection;

/// The id of the round that `binding` makes, if the document's user_data equals it.
pub(crate) fn bound_round(
    document: &AuthenticDocument,
    binding: &RoundBinding,
) -> Result<RoundId, Rejection> {
    if binding.version != VERSION {
        return Err(Rejection::ProtocolVersion {
            expected: VERSION,
            found: binding.version,
        });
    }
    let expected = binding.round_id();
    match document.document().user_data() {
        None => Err(Rejection::NoBinding { expected }),
        // 9: all of it, not a prefix.
        Some(found) if found == expected.as_bytes() => Ok(expected),
        Some(found) => Err(Rejection::WrongBinding {
            expected,
            found: found.to_vec(),
        }),
    }
}

/// Checks a document of another protocol: its user_data is `expected`.
pub(crate) fn carries_user_data(
    document: &AuthenticDocument,
    expected: &[u8],
) -> Result<(), Rejection> {
    match document.document().user_data() {
        // 9: all of it; null is not the same as empty.
        Some(found) if found == expected => Ok(()),
        found => Err(Rejection::WrongUserData {
            expected: expected.to_vec(),
            found: found.map(<[u8]>::to_vec),
        }),
    }
}
