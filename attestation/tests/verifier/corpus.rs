//! The real documents of `testdata/`, with what `index.json` says of them.

use std::path::Path;

use sealsum_attestation::{AppraisalPolicy, MeasurementEntry, PolicyFile};
use sealsum_protocol::UnixMillis;

pub(crate) struct RealDocument {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) debug: bool,
    pub(crate) index: serde_json::Value,
}

impl RealDocument {
    pub(crate) fn is_broken(&self) -> bool {
        self.name.contains("badsig") || self.name.contains("malformed")
    }

    /// Both edges of the window in which the whole chain is valid.
    pub(crate) fn window(&self) -> [UnixMillis; 2] {
        ["window_nb", "window_na"].map(|edge| rfc3339(self.text(edge)))
    }

    pub(crate) fn timestamp(&self) -> UnixMillis {
        UnixMillis(self.index["ts_ms"].as_u64().unwrap())
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.index[key].as_str().unwrap()
    }
}

/// Every document, by name.
pub(crate) fn documents() -> Vec<RealDocument> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let index = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let index: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&index).unwrap();
    assert_eq!(index.len(), 15);
    index
        .into_iter()
        .map(|(name, index)| RealDocument {
            bytes: std::fs::read(folder.join(&name).with_extension("cbor")).unwrap(),
            debug: index["debug"].as_bool().unwrap(),
            name,
            index,
        })
        .collect()
}

pub(crate) fn document(name: &str) -> RealDocument {
    documents()
        .into_iter()
        .find(|document| document.name == name)
        .unwrap()
}

/// A policy under AWS's root; its one measurement belongs to no real document.
pub(crate) fn aws_policy() -> AppraisalPolicy {
    PolicyFile {
        root: "aws-nitro".to_owned(),
        mock: false,
        max_age_seconds: 300,
        clock_skew_seconds: 10,
        allow_debug: false,
        measurements: vec![MeasurementEntry {
            label: "none of them".to_owned(),
            pcr0: "11".repeat(48),
            pcr1: "22".repeat(48),
            pcr2: "33".repeat(48),
            pcr3: None,
            pcr4: None,
            pcr8: None,
        }],
        publishers: Vec::new(),
    }
    .into_policy(None)
    .unwrap()
}

/// Reads `YYYY-MM-DDTHH:MM:SS+00:00`.
fn rfc3339(text: &str) -> UnixMillis {
    assert!(text.ends_with("+00:00"), "{text}");
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days = (1970..year)
        .map(|year| if leap(year) { 366 } else { 365 })
        .sum::<u64>()
        + months.iter().take(month as usize - 1).sum::<u64>()
        + day
        - 1;
    let seconds = ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19);
    UnixMillis(seconds * 1000)
}
