//! Many contributions into the enclave at once, and no byte twice.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::commitment::Commitment;
use crate::contribution::{ContributionHeader, Credential};
use crate::ids::{ClientId, RoundId};
use crate::receipt::Acceptance;
use crate::refusal::Refusal;
use crate::signature::{Signature, Signed};

/// Headers of one `presum` round. It means what sending them with `Contribute` one after the other
/// would mean; together, the enclave opens them on all its threads. A credential's path may lack
/// the upper end that earlier commands have shown ([`UpperNodes`](crate::UpperNodes)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContributeMany {
    /// The round of each of them.
    pub round_id: RoundId,
    /// 1 to [`HEADERS_LIMIT`].
    pub headers: Vec<RoundlessHeader>,
}

/// A [`ContributionHeader`] less its round: client, encapsulated key, commitment, sealed bytes,
/// credential, as a list without names. What crosses the boundary for a client is little more than
/// its key and a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundlessHeader(ClientId, ByteBuf, Commitment, ByteBuf, Option<Credential>);

impl From<ContributionHeader> for RoundlessHeader {
    fn from(header: ContributionHeader) -> Self {
        Self(
            header.client,
            header.encapsulated_key,
            header.commitment,
            header.sealed,
            header.credential,
        )
    }
}

impl RoundlessHeader {
    /// The header in that round.
    #[must_use]
    pub fn in_round(self, round_id: RoundId) -> ContributionHeader {
        let Self(client, encapsulated_key, commitment, sealed, credential) = self;
        ContributionHeader {
            round_id,
            client,
            encapsulated_key,
            commitment,
            sealed,
            credential,
        }
    }
}

/// What became of one of the headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The contribution is in: the signature of its acceptance, all else of which the parent has.
    Accepted(Signature),
    /// This one was declined; the others have verdicts of their own.
    Refused(Refusal),
}

impl Verdict {
    /// The acceptance of the contribution that this verdict is about, to be verified as any.
    ///
    /// # Errors
    /// The refusal.
    pub fn of(self, header: &ContributionHeader) -> Result<Signed<Acceptance>, Refusal> {
        match self {
            Self::Accepted(signature) => {
                let acceptance = Acceptance {
                    round_id: header.round_id,
                    client: header.client,
                    contribution: header.digest(),
                };
                Ok(Signed::from_parts(acceptance, signature))
            }
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// As many as fit a frame's head, each with an X-Wing key and the longest credential.
pub const HEADERS_LIMIT: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::HEAD_LIMIT;
    use crate::messages::Message as _;
    use crate::{ClientSigner, Command, Digest, KemSuite, ReceiptSigner, Reply};

    fn longest_header() -> ContributionHeader {
        let signer = ClientSigner::from_secret(&[0xff; 32]);
        let header = ContributionHeader {
            round_id: RoundId::new([0xff; 32]),
            client: signer.key(),
            encapsulated_key: vec![0xff; KemSuite::XWing.encapsulated_key_bytes()].into(),
            commitment: Commitment(Digest::new([0xff; 32])),
            sealed: vec![0xff; crate::encapsulation::SEALED_HEADER_BYTES].into(),
            credential: None,
        };
        // 2^32 leaves have paths of 32 hashes, and no path is longer.
        header.with_credential(&signer, u64::MAX, vec![Digest::new([0xff; 32]); 32])
    }

    #[test]
    fn the_longest_headers_fit_a_frame_and_a_few_more_do_not() {
        let head = |count: usize| {
            let many = ContributeMany {
                round_id: RoundId::new([0xff; 32]),
                headers: vec![longest_header().into(); count],
            };
            let frame = Command::ContributeMany(Box::new(many)).to_frame(Vec::new());
            assert_eq!(frame.encode().is_ok(), frame.head.len() <= HEAD_LIMIT);
            frame.head.len()
        };
        assert!(head(HEADERS_LIMIT) <= HEAD_LIMIT, "{}", head(HEADERS_LIMIT));
        assert!(head(HEADERS_LIMIT + 4) > HEAD_LIMIT);
    }

    #[test]
    fn a_client_costs_little_more_than_its_key_and_a_signature() {
        for (suite, most) in [(KemSuite::X25519, 400), (KemSuite::XWing, 1400)] {
            let header = ContributionHeader {
                encapsulated_key: vec![0xff; suite.encapsulated_key_bytes()].into(),
                credential: None,
                ..longest_header()
            };
            let many = ContributeMany {
                round_id: header.round_id,
                headers: vec![header.into()],
            };
            let command = Command::ContributeMany(Box::new(many)).to_frame(Vec::new());
            let reply = Reply::Verdicts(vec![accepted()]).to_frame(Vec::new());
            let frames = [command, reply].map(|frame| frame.encode().unwrap().len());
            assert!(frames.iter().sum::<usize>() < most, "{suite}: {frames:?}");
        }
    }

    #[test]
    fn a_header_comes_out_of_a_batch_as_it_went_in() {
        let header = longest_header();
        let there = RoundlessHeader::from(header.clone());
        assert_eq!(there.in_round(header.round_id), header);
    }

    fn accepted() -> Verdict {
        let signer = ReceiptSigner::from_secret(&[0xff; 32]);
        let header = longest_header();
        let acceptance = Acceptance {
            round_id: header.round_id,
            client: header.client,
            contribution: header.digest(),
        };
        let signed = signer.sign(acceptance);
        let verdict = Verdict::Accepted(signed.signature());
        let acceptance = verdict.clone().of(&header).unwrap();
        assert_eq!(acceptance, signed);
        assert!(acceptance.verify(&signer.key(), &header.round_id).is_ok());
        verdict
    }

    #[test]
    fn a_verdict_for_each_fits_a_frame_too() {
        let verdicts = vec![accepted(); HEADERS_LIMIT];
        let frame = Reply::Verdicts(verdicts).to_frame(Vec::new());
        assert!(frame.encode().is_ok());
        let refused = Verdict::Refused(Refusal::Burned);
        assert_eq!(refused.of(&longest_header()), Err(Refusal::Burned));
    }
}
