//! Clients that do not follow the protocol, one deviation each.

use sealsum_protocol::fixed::{OutOfRange, RoundingSeed};
use sealsum_protocol::{
    AggregationRule, Digest, Encoding, Intake, Refusal, RoundBinding, RoundParams, RoundTerms,
};

use crate::{Contribution, UncheckedClient};

/// What a client does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A sealed header that is noise.
    Garbage,
    /// A commitment to another body than it sealed.
    WrongCommitment,
    /// A body that is not its commitment's.
    OtherBody,
    /// Padding bits that are set; needs a vector that leaves padding.
    Padding,
    /// A weight above the round's bound.
    OverWeight,
    /// One element beyond clip and weight, as large as the ring allows.
    OverValue,
}

impl Mischief {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Garbage,
        Self::WrongCommitment,
        Self::OtherBody,
        Self::Padding,
        Self::OverWeight,
        Self::OverValue,
    ];

    /// The contribution of client number `n`, gone wrong.
    pub fn by(self, n: u64, binding: &RoundBinding) -> Contribution {
        let terms = binding.params.params.terms();
        let mut client = UncheckedClient::with_randomness(n, n ^ 0x6d69_7363);
        let quiet = vec![0.0; usize::try_from(terms.dimension).unwrap()];
        let mut made = match self {
            Self::OverWeight => {
                let heavier = terms.max_weight + 1;
                let lax = RoundTerms {
                    max_weight: heavier,
                    rule: AggregationRule::WeightedMean,
                    l2_bound: None,
                    clip: 1,
                    ..terms.clone()
                };
                client.seal(binding, encoded(lax, &quiet, heavier))
            }
            Self::OverValue => {
                // One client alone may use the ring to its end.
                let lax = RoundTerms {
                    min_cohort: 3,
                    max_cohort: 3,
                    max_weight: 1,
                    rule: AggregationRule::Sum,
                    l2_bound: None,
                    clip: (1 << (terms.ring_bits.get() - 3)) - 1,
                    ..terms.clone()
                };
                let largest = lax.clip as f64 / f64::from(1_u32 << terms.fractional_bits);
                let mut loud = quiet;
                *loud.last_mut().unwrap() = largest;
                client.seal(binding, encoded(lax, &loud, 1))
            }
            _ => client.contribute(binding, &quiet),
        };
        match self {
            Self::Garbage => made.header.sealed.iter_mut().for_each(|byte| *byte = 0xa5),
            Self::WrongCommitment => made.header.commitment.0 = Digest::new([0xa5; 32]),
            Self::OtherBody => *made.body.first_mut().unwrap() ^= 1,
            Self::Padding => *made.body.last_mut().unwrap() |= 0x80,
            Self::OverWeight | Self::OverValue => {}
        }
        made
    }

    /// What an enclave of that intake says to it; none if only a body would show it, and
    /// bodies stay outside.
    #[must_use]
    pub fn refusal(self, intake: Intake) -> Option<Refusal> {
        let seen_inside = |refusal| (intake == Intake::Stream).then_some(refusal);
        match self {
            Self::Garbage | Self::WrongCommitment => Some(Refusal::DoesNotOpen),
            Self::OverWeight => Some(Refusal::WeightAboveBound),
            Self::OtherBody => seen_inside(Refusal::CommitmentMismatch),
            Self::Padding => seen_inside(Refusal::Padding),
            Self::OverValue => seen_inside(Refusal::NormAboveBound),
        }
    }
}

/// Encodes under parameters of the client's own making, of the round's layout.
fn encoded(terms: RoundTerms, values: &[f64], weight: u32) -> Encoding<'_> {
    let lax = RoundParams::new(terms).unwrap();
    let seed = RoundingSeed::new([1; 32]);
    Encoding::new(&lax, values, weight, OutOfRange::Refuse, &seed).unwrap()
}
