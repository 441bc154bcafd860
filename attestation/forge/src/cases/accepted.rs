//! What must be accepted, and is refused by a verifier that is strict in the wrong place.

use super::{Cases, Question};
use crate::cbor::{bytes, null};
use crate::{Document, NOW_MS, pcrs};

pub(super) fn add(cases: &mut Cases) {
    let mut accept =
        |row, what: &str, document: Vec<u8>| cases.add(row, what, "appraised", document);
    accept("accepted-forms", "indefinite", Document::sound().bytes());
    let definite = Document {
        open: false,
        ..Document::sound()
    };
    accept("accepted-forms", "definite", definite.bytes());
    let tagged = Document {
        head: vec![0xd2, 0x84],
        ..Document::sound()
    };
    accept("accepted-forms", "tag-18", tagged.bytes());
    let definite_tagged = Document {
        open: false,
        ..tagged
    };
    accept("accepted-forms", "tag-18-definite", definite_tagged.bytes());
    let mut reversed = Document::sound();
    reversed.entries.reverse();
    accept("accepted-forms", "keys-in-another-order", reversed.bytes());

    accept(
        "accepted-pcrs",
        "17",
        Document::sound().with("pcrs", pcrs(0..17)).bytes(),
    );
    accept(
        "accepted-pcrs",
        "32",
        Document::sound().with("pcrs", pcrs(0..32)).bytes(),
    );
    accept(
        "accepted-pcrs",
        "only-3",
        Document::sound().with("pcrs", pcrs(0..3)).bytes(),
    );

    accept(
        "accepted-optionals",
        "public-key-absent",
        Document::sound().without("public_key").bytes(),
    );
    for length in [0, 1, 1024] {
        let document = Document::sound().with("public_key", bytes(&vec![7; length]));
        accept(
            "accepted-optionals",
            &format!("public-key-{length}"),
            document.bytes(),
        );
    }

    let optional = [("user_data", true), ("nonce", false)];
    for (key, is_user_data) in optional {
        let dashed = key.replace('_', "-");
        let mut ask = |what: &str, document: Document, expected: Option<Vec<u8>>| {
            let mut question = Question::default();
            if is_user_data {
                question.user_data = expected;
            } else {
                question.nonce = expected;
            }
            let what = format!("{dashed}-{what}");
            cases.ask(
                "accepted-optionals",
                &what,
                "appraised",
                document.bytes(),
                question,
            );
        };
        ask("absent", Document::sound().without(key), None);
        ask("null", Document::sound().with(key, null()), None);
        ask(
            "empty",
            Document::sound().with(key, bytes(&[])),
            Some(Vec::new()),
        );
        let long = vec![7; 1024];
        ask(
            "1024",
            Document::sound().with(key, bytes(&long)),
            Some(long),
        );
    }

    for (what, at_ms) in [("oldest", NOW_MS + 300_000), ("newest", NOW_MS - 10_000)] {
        let question = Question {
            at_ms,
            ..Question::default()
        };
        cases.ask(
            "accepted-times",
            what,
            "appraised",
            Document::sound().bytes(),
            question,
        );
    }
}
