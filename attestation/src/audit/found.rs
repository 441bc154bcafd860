//! What an audit found at each point, in words. Nothing is decided here.

use sealsum_protocol::{RoundId, UnixMillis};

use super::JudgedAt;
use crate::authenticate::AuthenticDocument;
use crate::document::UnverifiedDocument;
use crate::policy::{AppraisalPolicy, ReferenceValues};
use crate::time::Instant;

pub(super) fn envelope(document: &UnverifiedDocument) -> String {
    let payload = document.signed_payload.len();
    format!("COSE_Sign1 with ES384, a payload of {payload} bytes")
}

/// Where the payload was refused.
pub(super) fn envelope_alone() -> String {
    "COSE_Sign1 with ES384".to_owned()
}

pub(super) fn payload() -> String {
    "strict CBOR, known keys, each once".to_owned()
}

pub(super) fn fields(document: &UnverifiedDocument) -> String {
    format!(
        "enclave {:?}, {} registers, signed {}",
        document.module_id(),
        document.measurement().iter().count(),
        Instant::from_millis(document.timestamp())
    )
}

pub(super) fn chain(
    document: &UnverifiedDocument,
    policy: &AppraisalPolicy,
    at: UnixMillis,
) -> String {
    let root = policy.root();
    let certificates = document.cabundle().len().saturating_add(1);
    let of = if root.is_aws_nitro() {
        "AWS's root"
    } else {
        "the policy's own root"
    };
    format!(
        "{certificates} certificates up to {of} {:.16}, all valid at {}",
        root.fingerprint().to_string(),
        Instant::from_millis(at)
    )
}

pub(super) fn signature() -> String {
    "signed by the leaf certificate".to_owned()
}

pub(super) fn mode(document: &AuthenticDocument) -> String {
    if document.document().measurement().is_debug() {
        "DEBUG MODE, which the policy allows: the host can read this enclave".to_owned()
    } else {
        "PCR0, 1 and 2 are not zero".to_owned()
    }
}

pub(super) fn image(document: &AuthenticDocument, image: &ReferenceValues) -> String {
    let label = image.label();
    if document.document().measurement().is_debug() {
        return format!("taken for {label:?}: debug mode hides PCR0, 1 and 2");
    }
    let registers: Vec<_> = image
        .expected()
        .map(|(index, _)| index.to_string())
        .collect();
    let registers = registers.join(", ");
    match image.not_after() {
        None => format!("{label:?}, pinned: {registers} are as expected"),
        Some(end) => format!(
            "{label:?}, endorsed until {}: {registers} are as expected",
            Instant::from_millis(end)
        ),
    }
}

pub(super) fn freshness(
    signed_at: UnixMillis,
    judged: JudgedAt,
    at: UnixMillis,
    nonce: bool,
) -> String {
    let age = match judged {
        JudgedAt::Time(_) => format!("signed {} s before", at.since(signed_at) / 1000),
        JudgedAt::ItsOwnTime => "judged at its own time, whatever its age".to_owned(),
    };
    if nonce {
        format!("{age}; the nonce is the one expected")
    } else {
        format!("{age}; no nonce was asked for, so it may be a replay")
    }
}

pub(super) fn user_data() -> String {
    "user_data is as expected".to_owned()
}

pub(super) fn round(round_id: RoundId) -> String {
    format!("user_data is the id of the given binding's round, {round_id}")
}

pub(super) fn no_user_data(document: &AuthenticDocument) -> String {
    match document.document().user_data() {
        None => "user_data is null".to_owned(),
        Some(found) => format!("user_data was not asked for; it has {} bytes", found.len()),
    }
}
