//! Whatever comes in, up to 64 KiB, there is a verdict: no input makes the verifier panic, nor the
//! words in which it tells a refusal.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use sealsum_attestation::{
    AppraisalPolicy, Audit, ExpectedNonce, ExpectedUserData, JudgedAt, PolicyFile, Question,
    UnverifiedDocument,
};
use sealsum_forge::hostile::{MAX_INPUT, around, document};
use sealsum_forge::{Document, NONCE, NOW_MS, POLICIES, Pki, USER_DATA, cbor, hostile, root_pem};
use sealsum_protocol::UnixMillis;

use crate::corpus::{aws_policy, documents};

static POLICIES_BY_ROOT: LazyLock<[AppraisalPolicy; 2]> = LazyLock::new(|| {
    let made = PolicyFile::parse(POLICIES[0].1).unwrap();
    [made.into_policy(Some(&root_pem())).unwrap(), aws_policy()]
});
/// Real ones, and a made one under a chain as long as it may be.
static SOUND: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let real = documents().into_iter().map(|document| document.bytes);
    let made = [Document::sound(), Document::under(&Pki::tall(6))];
    real.chain(made.map(|document| document.bytes())).collect()
});

/// Asks everything of `input`, puts every answer in words, and says whether it was appraised.
fn judge(input: &[u8]) -> Option<&'static str> {
    assert!(input.len() <= MAX_INPUT);
    let mut code = None;
    for policy in POLICIES_BY_ROOT.iter() {
        for at in [JudgedAt::Time(UnixMillis(NOW_MS)), JudgedAt::ItsOwnTime] {
            let question = Question {
                at,
                endorsement: None,
                nonce: Some(ExpectedNonce::Whole(&NONCE)),
                user_data: Some(ExpectedUserData::Whole(&USER_DATA)),
            };
            let audit = Audit::of(input, policy, &question);
            assert_eq!(audit.checks().len(), 9);
            code = match audit.verdict() {
                Ok(_) => return None,
                Err(refused) => {
                    assert!(!refused.to_string().is_empty());
                    assert!(!format!("{refused:?}").is_empty());
                    Some(refused.code())
                }
            };
        }
    }
    if let Ok(parsed) = UnverifiedDocument::parse(input) {
        let _ = (
            parsed.instance_id(),
            parsed.pcr4_agrees(),
            format!("{parsed:?}"),
        );
    }
    code
}

#[test]
fn inputs_made_to_be_costly_get_a_verdict() {
    for (name, input) in hostile::inputs() {
        assert!(judge(&input).is_some(), "{name}");
    }
    assert_eq!(judge(&Document::sound().bytes()), None);
}

/// Bytes that come out the same for one seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        bytes.push((state >> 56) as u8);
    }
    bytes
}

/// A CBOR item of any kind, in any form of length, true to it or not.
fn item() -> impl Strategy<Value = Vec<u8>> {
    let plain = prop_oneof![
        any::<u64>().prop_map(cbor::unsigned),
        any::<u64>().prop_map(|number| cbor::head(1, number)),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| cbor::bytes(&bytes)),
        prop::sample::select(TEXTS).prop_map(cbor::text),
        (0..8_u8, any::<u64>()).prop_map(|(major, length)| cbor::head(major, length)),
        (0..8_u8, 0..64_u64).prop_map(|(major, length)| cbor::head(major, length)),
        (224..=255_u8).prop_map(|simple| vec![simple]),
        (0..8_u8).prop_map(|major| vec![major << 5 | 31]),
        (0..8_u8, any::<u8>()).prop_map(|(major, low)| vec![major << 5 | 25, 0, low]),
    ];
    plain.prop_recursive(6, 200, 16, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..16).prop_map(|items| cbor::array(&items)),
            prop::collection::vec((inner.clone(), inner.clone()), 0..8)
                .prop_map(|entries| cbor::map(&entries)),
            prop::collection::vec((inner.clone(), inner.clone()), 0..8)
                .prop_map(|entries| cbor::open_map(&entries)),
            (any::<u8>(), inner).prop_map(|(tag, item)| [vec![0xd8, tag], item].concat()),
        ]
    })
}

/// A payload's map, each of whose fields may be sound, anything, absent or twice there.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let sound = Document::sound().entries;
    let entries: Vec<_> = sound
        .into_iter()
        .map(|(key, value)| {
            let value = prop_oneof![6 => Just(value), 1 => item()];
            let times = prop_oneof![14 => Just(1_usize), 1 => Just(0), 1 => Just(2)];
            (Just(key), value, times)
        })
        .collect();
    (entries, any::<bool>()).prop_map(|(entries, open)| {
        let entries: Vec<_> = entries
            .into_iter()
            .flat_map(|(key, value, times)| vec![(key, value); times])
            .collect();
        if open {
            cbor::open_map(&entries)
        } else {
            cbor::map(&entries)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bytes_of_any_kind_get_a_verdict(seed in any::<u64>(), length in 0..=MAX_INPUT) {
        prop_assert!(judge(&noise(seed, length)).is_some());
    }

    #[test]
    fn cbor_of_any_shape_gets_a_verdict(item in item(), payload in payload()) {
        prop_assume!(item.len() <= MAX_INPUT / 2);
        prop_assert!(judge(&item).is_some());
        prop_assert!(judge(&around(&item)).is_some());
        prop_assert!(judge(&around(&payload)).is_some());
    }

    #[test]
    fn documents_with_overwritten_pieces_get_a_verdict(
        which in any::<Index>(),
        pieces in prop::collection::vec((any::<Index>(), prop::collection::vec(any::<u8>(), 1..64)), 1..4),
    ) {
        let sound = which.get(&SOUND);
        let mut changed = sound.clone();
        for (at, piece) in pieces {
            let start = at.index(changed.len());
            for (byte, new) in changed[start..].iter_mut().zip(&piece) {
                *byte = *new;
            }
        }
        prop_assume!(changed != *sound);
        prop_assert!(judge(&changed).is_some());
    }

    #[test]
    fn documents_spliced_from_several_get_a_verdict(
        cuts in prop::collection::vec((any::<Index>(), any::<Index>(), any::<Index>()), 1..16),
    ) {
        let mut spliced = Vec::new();
        for (which, from, to) in cuts {
            let source = which.get(&SOUND);
            let (from, to) = (from.index(source.len()), to.index(source.len()));
            spliced.extend(&source[from.min(to)..from.max(to)]);
        }
        spliced.truncate(MAX_INPUT);
        prop_assert!(judge(&spliced).is_some());
    }

    #[test]
    fn certificates_with_changed_bytes_get_a_verdict(
        changes in prop::collection::vec((1..8_usize, any::<Index>(), any::<u8>()), 1..6),
        noisy in prop::option::of((1..8_usize, any::<u64>(), 1..1024_usize)),
    ) {
        let mut chain = TALL.clone();
        for (place, at, byte) in changes {
            let at = at.index(chain[place].len());
            chain[place][at] = byte;
        }
        if let Some((place, seed, length)) = noisy {
            chain[place] = noise(seed, length);
        }
        prop_assert!(judge(&document(&chain)).is_some());
    }
}

static TALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| Pki::tall(6).issue());

/// Keys and values that the payload's reader knows, and some that it does not.
const TEXTS: &[&str] = &[
    "",
    "module_id",
    "digest",
    "timestamp",
    "pcrs",
    "certificate",
    "cabundle",
    "public_key",
    "user_data",
    "nonce",
    "nitrotpm_pcrs",
    "SHA384",
    "Signature1",
    "i-0-enc0",
];
