//! The settings in force, each with where it is from: what an operator looks at who wonders why.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::keys::flat;
use super::layers::located;
use super::{LOG_VARIABLE, Layer, ListenerSettings, LogSettings, Origin, Settings, SettingsError};
use crate::config::{Config, Limits};

/// A setting in force.
#[derive(Clone, Debug)]
pub struct Shown {
    /// `section.key`
    pub key: String,
    /// Its value; `None` if nothing is set and nothing assumed.
    pub value: Option<Value>,
    /// Where it is from; `None` is the default.
    pub origin: Option<Origin>,
}

impl Shown {
    /// Whether its value is kept from whoever looks.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.key == "storage.database" && self.value.is_some()
    }
}

impl Settings {
    /// Every setting in force, made of what [`read`](super::read) was given.
    ///
    /// # Errors
    /// [`SettingsError`], if they can't be used.
    pub fn shown(self, file: Option<&Path>, layers: &[Layer]) -> Result<Vec<Shown>, SettingsError> {
        let mut origins = origins(file, layers)?;
        if self.log.variable().is_some() {
            let variable = Origin::Environment(LOG_VARIABLE.to_owned());
            origins.insert("log.filter".to_owned(), variable);
        }
        let config = self.clone().into_config()?;
        let in_force = flat(&self.filled(&config)).into_iter();
        let shown = in_force.map(|(key, value)| Shown {
            origin: origins.get(&key).cloned(),
            value: Some(value).filter(|value| !value.is_null()),
            key,
        });
        Ok(shown.collect())
    }

    /// With the defaults that a parent of this configuration goes by.
    fn filled(self, config: &Config) -> Self {
        let Limits {
            masked_update,
            connections,
            connections_per_address,
            head,
            body_piece,
            shutdown,
            enclave,
            lost_after,
            ..
        } = config.limits;
        let mut filled = Self {
            clients: ListenerSettings {
                listen: Some(config.clients.address),
                ..self.clients
            },
            log: LogSettings {
                filter: self.log.filter_in_force().ok(),
                ..self.log
            },
            ..self
        };
        filled.enclave.connect_seconds = Some(enclave.connect.as_secs());
        filled.enclave.reply_seconds = Some(enclave.reply.as_secs());
        filled.enclave.lost_after_seconds = Some(lost_after.as_secs());
        filled.limits.masked_update_mib = Some(masked_update >> 20);
        filled.limits.connections = Some(connections);
        filled.limits.connections_per_address = Some(connections_per_address);
        filled.limits.head_seconds = Some(head.as_secs());
        filled.limits.body_piece_seconds = Some(body_piece.as_secs());
        filled.limits.shutdown_seconds = Some(shutdown.as_secs());
        filled.storage = filled.storage.filled();
        filled
    }
}

/// Where each key that is set is from; later layers go over earlier ones.
fn origins(
    file: Option<&Path>,
    layers: &[Layer],
) -> Result<BTreeMap<String, Origin>, SettingsError> {
    let mut origins = BTreeMap::new();
    if let Some(path) = file {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let table = DeTable::parse(&text).map_err(|error| SettingsError::Malformed {
            origin: Origin::File(path.to_owned()),
            detail: located(&error, &text),
        })?;
        let line = |offset: usize| 1 + text.bytes().take(offset).filter(|b| *b == b'\n').count();
        from_table(table.get_ref(), "", &mut |key, offset| {
            origins.insert(key, Origin::Line(path.to_owned(), line(offset)));
        });
    }
    for layer in layers {
        let key = layer.key.join(".");
        // A table in one variable sets all keys below it.
        for (below, _) in flat(&layer.value) {
            let key = match &*below {
                "" => key.clone(),
                below => format!("{key}.{below}"),
            };
            origins.insert(key, layer.origin.clone());
        }
    }
    Ok(origins)
}

fn from_table(table: &DeTable<'_>, above: &str, note: &mut impl FnMut(String, usize)) {
    for (name, value) in table {
        let key = format!("{above}{}", name.get_ref());
        match value.get_ref() {
            DeValue::Table(section) => from_table(section, &format!("{key}."), note),
            _ => note(key, name.span().start),
        }
    }
}
