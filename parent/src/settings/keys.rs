//! The names of all settings, as the sections themselves declare them: none is written down twice.

use serde::Serialize;
use serde_json::Value;

use super::{Settings, TlsSettings};

/// Every key, as `section.key`, and every section that has a name.
pub(super) struct Names {
    pub(super) keys: Vec<String>,
    pub(super) sections: Vec<String>,
}

impl Names {
    pub(super) fn all() -> Self {
        let (mut settings, tls) = (Settings::default(), Some(TlsSettings::default()));
        (settings.clients.tls, settings.operator.tls) = (tls.clone(), tls);
        let keys: Vec<String> = flat(&settings).into_iter().map(|(key, _)| key).collect();
        let above = |key: &String| -> Vec<String> {
            let dots = key.match_indices('.');
            dots.map(|(dot, _)| key[..dot].to_owned()).collect()
        };
        let sections = keys.iter().flat_map(above).collect();
        Self { keys, sections }
    }
}

/// Each key with its value; null where nothing is set.
pub(super) fn flat(settings: &impl Serialize) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    // Texts, numbers and lists of them: they always have a JSON form.
    let value = serde_json::to_value(settings).unwrap_or_default();
    gather(String::new(), value, &mut all);
    all
}

fn gather(key: String, value: Value, all: &mut Vec<(String, Value)>) {
    let Value::Object(section) = value else {
        all.push((key, value));
        return;
    };
    for (name, value) in section {
        let below = if key.is_empty() {
            name
        } else {
            format!("{key}.{name}")
        };
        gather(below, value, all);
    }
}
