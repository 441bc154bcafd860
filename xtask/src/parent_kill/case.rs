//! One round as this test knows it: what was made for it, and what was acknowledged.

use std::sync::Mutex;

use sealsum_protocol::{Intake, KemSuite, RoundBinding, RoundId, RoundTerms, SignedRoundParams};
use sealsum_testkit::{KnownUpload, sign, terms};

use super::host::hold;

/// A round and who takes part.
pub(crate) struct Case {
    pub(crate) binding: RoundBinding,
    /// Enclaves killed before it was asked for.
    pub(crate) era: u64,
    pub(crate) members: Vec<Member>,
}

/// One client's contribution to it.
pub(crate) struct Member {
    pub(crate) upload: KnownUpload,
    /// The first acceptance that it was given.
    pub(crate) acceptance: Mutex<Option<Vec<u8>>>,
}

/// The parameters of a task's round of that number.
pub(crate) fn params(task: &str, intake: Intake, number: u64) -> SignedRoundParams {
    sign(RoundTerms {
        task: task.parse().unwrap_or(terms(intake).task),
        round_number: number,
        dimension: if number % 4 < 2 { LARGE } else { SMALL },
        kem: if number.is_multiple_of(2) {
            KemSuite::XWing
        } else {
            KemSuite::X25519
        },
        max_cohort: MEMBERS,
        ..terms(intake)
    })
}

impl Case {
    /// Seals a contribution for each client.
    pub(crate) fn new(binding: RoundBinding, era: u64, seed: u64) -> Self {
        let members = (0..u64::from(MEMBERS)).map(|place| Member::new(&binding, seed, place));
        Self {
            members: members.collect(),
            binding,
            era,
        }
    }

    pub(crate) fn id(&self) -> RoundId {
        self.binding.round_id()
    }

    /// Those who hold an acceptance.
    pub(crate) fn acknowledged(&self) -> Vec<&Member> {
        let members = self.members.iter();
        members.filter(|member| member.is_acknowledged()).collect()
    }
}

impl Member {
    fn new(binding: &RoundBinding, seed: u64, place: u64) -> Self {
        let number = seed.wrapping_mul(u64::from(MEMBERS)).wrapping_add(place);
        Self {
            upload: KnownUpload::new(binding, number),
            acceptance: Mutex::default(),
        }
    }

    pub(crate) fn is_acknowledged(&self) -> bool {
        hold(&self.acceptance).is_some()
    }
}

/// Four blocks, the last one short.
const LARGE: u64 = 50_003;
/// Its uploads share their commits with records.
const SMALL: u64 = 1_003;
/// Clients of a round.
pub(crate) const MEMBERS: u32 = 6;
