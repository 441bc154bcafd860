//! Reading cases: typed access to a JSON object's fields.

use std::str::FromStr;

use sealsum_protocol::canonical;
use serde_json::Value;

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors");

/// The cases of one file; never none.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let path = format!("{FOLDER}/{file}.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let content: Value = serde_json::from_str(&text).unwrap();
    let cases = content["cases"].as_array().unwrap();
    assert!(!cases.is_empty(), "{path} has no cases");
    cases.iter().cloned().map(Case).collect()
}

/// One case, or an object inside one.
pub(crate) struct Case(Value);

impl Case {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field]
            .as_str()
            .unwrap_or_else(|| panic!("{field} in {}", self.0))
    }

    pub(crate) fn parsed<T: FromStr>(&self, field: &str) -> T {
        self.text(field)
            .parse()
            .unwrap_or_else(|_| panic!("{field} in {}", self.0))
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        hex::decode(self.text(field)).unwrap()
    }

    pub(crate) fn bytes32(&self, field: &str) -> [u8; 32] {
        self.bytes(field).try_into().unwrap()
    }

    pub(crate) fn number(&self, field: &str) -> u64 {
        self.0[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{field} in {}", self.0))
    }

    pub(crate) fn decoded<T: canonical_bounds::Message>(&self, field: &str) -> T {
        canonical::decode(&self.bytes(field))
            .unwrap_or_else(|error| panic!("{field}: {error} in {}", self.0))
    }

    pub(crate) fn is_null(&self, field: &str) -> bool {
        self.0[field].is_null()
    }

    pub(crate) fn texts(&self, field: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.0[field].as_array().unwrap().iter().map(text).collect()
    }

    pub(crate) fn byte_strings(&self, field: &str) -> Vec<Vec<u8>> {
        let bytes = |text: String| hex::decode(text).unwrap();
        self.texts(field).into_iter().map(bytes).collect()
    }

    pub(crate) fn floats(&self, field: &str) -> Vec<f64> {
        let float = |bytes: Vec<u8>| f64::from_be_bytes(bytes.try_into().unwrap());
        self.byte_strings(field).into_iter().map(float).collect()
    }

    pub(crate) fn objects(&self, field: &str) -> Vec<Case> {
        self.0[field]
            .as_array()
            .unwrap()
            .iter()
            .cloned()
            .map(Case)
            .collect()
    }

    /// A list of lists of 32-byte values.
    pub(crate) fn lists<T: FromStr>(&self, field: &str) -> Vec<Vec<T>> {
        let list = |list: &Value| {
            let item = |item: &Value| item.as_str().unwrap().parse().ok().unwrap();
            list.as_array().unwrap().iter().map(item).collect()
        };
        self.0[field].as_array().unwrap().iter().map(list).collect()
    }

    pub(crate) fn list<T: FromStr>(&self, field: &str) -> Vec<T> {
        let item = |text: String| text.parse().ok().unwrap();
        self.texts(field).into_iter().map(item).collect()
    }

    /// Fails unless `result` is the error that the case names.
    #[track_caller]
    pub(crate) fn assert_refused<T, E: std::fmt::Debug>(&self, result: Result<T, E>) {
        let error = match result {
            Ok(_) => panic!("accepted: {}", self.0),
            Err(error) => format!("{error:?}"),
        };
        let name: String = error
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        assert_eq!(name, self.text("error"), "{}", self.0);
    }
}

pub(crate) mod canonical_bounds {
    //! What the canonical codec asks of a type.

    pub(crate) trait Message: serde::Serialize + serde::de::DeserializeOwned {}
    impl<T: serde::Serialize + serde::de::DeserializeOwned> Message for T {}
}
