//! Checklist 6 to 9: authentic documents that answer another question.

use sealsum_protocol::{RoundBinding, canonical};

use super::{Cases, Question};
use crate::cbor::{bytes, map, null, unsigned};
use crate::round::binding;
use crate::{Document, NONCE, NOW_MS, USER_DATA};

pub(super) fn add(cases: &mut Cases) {
    images(cases);
    freshness(cases);
    bindings(cases);
}

fn images(cases: &mut Cases) {
    let asked = |policy| Question {
        policy,
        ..Question::default()
    };
    let six = || asked("made-six");
    cases.ask(
        "wrong-pcr",
        "none",
        "appraised",
        Document::sound().bytes(),
        six(),
    );
    for index in [0, 1, 2, 3, 4, 8] {
        let wrong = registers(|i| Some(if i == index { 9 } else { 0xa0 + i }));
        cases.ask("wrong-pcr", &index.to_string(), "wrong-pcr", wrong, six());
        let missing = registers(|i| (i != index).then_some(0xa0 + i));
        cases.ask(
            "missing-pcr",
            &index.to_string(),
            "missing-pcr",
            missing,
            six(),
        );
        if index < 3 {
            let zero = registers(|i| Some(if i == index { 0 } else { 0xa0 + i }));
            cases.ask(
                "debug-mode",
                &format!("pcr{index}"),
                "debug-mode",
                zero.clone(),
                Question::default(),
            );
            cases.ask(
                "debug-mode",
                &format!("pcr{index}-allowed"),
                "wrong-pcr",
                zero,
                asked("made-debug"),
            );
        }
    }
    let debug = registers(|i| Some(if i < 3 { 0 } else { 0xa0 + i }));
    cases.add("debug-mode", "whole", "debug-mode", debug.clone());
    cases.ask(
        "debug-mode",
        "whole-allowed",
        "appraised",
        debug,
        asked("made-debug"),
    );
    let mixed = registers(|i| Some(if i == 1 { 0xb1 } else { 0xa0 + i }));
    cases.ask("mixed-images", "", "wrong-pcr", mixed, asked("made-two"));
    let next = registers(|i| Some(if i < 3 { 0xb0 + i } else { 0xa0 + i }));
    cases.ask("mixed-images", "none", "appraised", next, asked("made-two"));
    let endorsed = Document::sound().bytes();
    cases.ask(
        "no-endorsement",
        "",
        "not-endorsed",
        endorsed,
        asked("made-publisher"),
    );
}

/// A document whose register `i` has the byte `value(i)`, 48 times, or is not reported.
fn registers(value: impl Fn(u8) -> Option<u8>) -> Vec<u8> {
    let entries: Vec<_> = (0..16)
        .filter_map(|i| Some((unsigned(i.into()), bytes(&[value(i)?; 48]))))
        .collect();
    Document::sound().with("pcrs", map(&entries)).bytes()
}

fn freshness(cases: &mut Cases) {
    let mut nonce = |what, expect, value: Vec<u8>| {
        cases.add(
            "nonce",
            what,
            expect,
            Document::sound().with("nonce", value).bytes(),
        );
    };
    nonce("null", "no-nonce", null());
    nonce("empty", "wrong-nonce", bytes(&[]));
    nonce("other", "wrong-nonce", bytes(&[0x4f; 32]));
    nonce("prefix", "wrong-nonce", bytes(&NONCE[..31]));
    nonce("longer", "wrong-nonce", bytes(&[&NONCE[..], &[0]].concat()));
    let absent = Document::sound().without("nonce").bytes();
    cases.add("nonce", "absent", "no-nonce", absent);
    let question = Question {
        nonce: Some(vec![0x4f; 32]),
        ..Question::default()
    };
    cases.ask(
        "replay",
        "",
        "wrong-nonce",
        Document::sound().bytes(),
        question,
    );

    let mut at = |row, what, expect, at_ms, policy| {
        let question = Question {
            at_ms,
            policy,
            ..Question::default()
        };
        cases.ask(row, what, expect, Document::sound().bytes(), question);
    };
    at("too-old", "by-1-ms", "too-old", NOW_MS + 300_001, "made");
    at(
        "too-old",
        "leaf-still-valid",
        "too-old",
        NOW_MS + 7_200_000,
        "made",
    );
    at(
        "expired-by-now",
        "",
        "certificate-expired",
        NOW_MS + 14_400_000,
        "made",
    );
    let mut ahead = |what, ms, policy| {
        let document = Document::sound()
            .with("timestamp", unsigned(NOW_MS + ms))
            .bytes();
        let question = Question {
            policy,
            ..Question::default()
        };
        cases.ask(
            "from-the-future",
            what,
            "from-the-future",
            document,
            question,
        );
    };
    ahead("by-1-ms", 10_001, "made");
    ahead("without-skew", 1, "made-no-skew");
}

fn bindings(cases: &mut Cases) {
    let mut user_data = |what, value: Vec<u8>| {
        let document = Document::sound().with("user_data", value).bytes();
        cases.add("user-data", what, "wrong-user-data", document);
    };
    user_data("null", null());
    user_data("empty", bytes(&[]));
    user_data("other", bytes(&[0x56; 32]));
    user_data("prefix", bytes(&USER_DATA[..31]));
    user_data("longer", bytes(&[&USER_DATA[..], &[0]].concat()));

    let own = binding(3, 7, 4);
    let id = *own.round_id().as_bytes();
    let vouching = Document::sound().with("user_data", bytes(&id)).bytes();
    let mut ask = |what, expect, document: Vec<u8>, binding: &RoundBinding| {
        let question = Question {
            user_data: None,
            binding: Some(canonical::encode(binding)),
            ..Question::default()
        };
        cases.ask("binding", what, expect, document, question);
    };
    ask("own", "appraised", vouching.clone(), &own);
    ask(
        "other-terms",
        "wrong-binding",
        vouching.clone(),
        &binding(4, 7, 4),
    );
    ask(
        "other-kem-key",
        "wrong-binding",
        vouching.clone(),
        &binding(3, 8, 4),
    );
    ask(
        "other-receipt-key",
        "wrong-binding",
        vouching.clone(),
        &binding(3, 7, 5),
    );
    let newer = RoundBinding {
        version: 2,
        ..own.clone()
    };
    ask("other-version", "protocol-version", vouching, &newer);
    let silent = Document::sound().with("user_data", null()).bytes();
    ask("null", "no-binding", silent, &own);
    let prefix = Document::sound()
        .with("user_data", bytes(&id[..31]))
        .bytes();
    ask("prefix", "wrong-binding", prefix, &own);
}
