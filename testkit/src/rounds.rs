//! Parameters for tests.

use std::sync::atomic::{AtomicU64, Ordering};

use sealsum_protocol::messages::OpenRound;
use sealsum_protocol::{
    Admission, AggregationRule, Command, Digest, Intake, KemSuite, Noise, OpeningId,
    OperatorSigner, RingBits, RoundParams, RoundTerms, Rounding, SignedRoundParams, VERSION,
};

/// The operator of every test round.
#[must_use]
pub fn operator() -> OperatorSigner {
    OperatorSigner::from_secret(&[7; 32])
}

/// A small honest round: d = 20, 24 bits, up to 10 clients of at least 3, X25519.
#[must_use]
pub fn terms(intake: Intake) -> RoundTerms {
    RoundTerms {
        version: VERSION,
        task: "test".parse().unwrap(),
        round_number: 1,
        operator: operator().key(),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 20,
        ring_bits: RingBits::new(24).unwrap(),
        clip: 1 << 12,
        fractional_bits: 12,
        rounding: Rounding::Nearest,
        max_weight: 1,
        min_cohort: 3,
        max_cohort: 10,
        intake,
        admission: Admission::Open,
        rule: AggregationRule::Sum,
        noise: Noise::None,
        kem: KemSuite::X25519,
        l2_bound: None,
        previous_receipt: None,
    }
}

/// [`terms`] with `stream` intake.
#[must_use]
pub fn stream() -> RoundTerms {
    terms(Intake::Stream)
}

/// [`terms`] with `presum` intake.
#[must_use]
pub fn presum() -> RoundTerms {
    terms(Intake::Presum)
}

/// Checks and signs.
#[must_use]
pub fn sign(terms: RoundTerms) -> SignedRoundParams {
    RoundParams::new(terms).unwrap().sign(&operator()).unwrap()
}

/// Opens a round of its own: no other command of this process is of the same opening.
#[must_use]
pub fn open_round(params: SignedRoundParams) -> Command {
    static OPENINGS: AtomicU64 = AtomicU64::new(0);
    let number = OPENINGS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut opening = [0xff; 32];
    opening
        .iter_mut()
        .zip(number)
        .for_each(|(to, from)| *to = from);
    Command::OpenRound(Box::new(OpenRound {
        opening: OpeningId::new(opening),
        params,
    }))
}
