//! Settings put together: the file, then the environment, then flags. Each is read by itself
//! first, so that what is wrong is told with where it is from.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Settings, SettingsError};

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File(PathBuf),
    /// A line of the configuration file.
    Line(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Line(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
            Self::Flag(name) => write!(f, "{name}"),
        }
    }
}

/// One value that goes over the file's.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Where it is from.
    pub origin: Origin,
    /// The way to its key: sections, then the key.
    pub key: Vec<String>,
    /// What it is set to.
    pub value: Value,
}

impl Layer {
    /// A flag's value for `section.key`.
    #[must_use]
    pub fn flag(name: &'static str, key: &str, value: impl Into<Value>) -> Self {
        Self {
            origin: Origin::Flag(name),
            key: key.split('.').map(str::to_owned).collect(),
            value: value.into(),
        }
    }

    /// `SEALSUM__CLIENTS__LISTEN=...` is `clients.listen`; `None` for any other variable.
    #[must_use]
    pub fn environment(name: &str, value: &str) -> Option<Self> {
        let key = name.strip_prefix(ENVIRONMENT)?;
        Some(Self {
            origin: Origin::Environment(name.to_owned()),
            key: key
                .to_ascii_lowercase()
                .split("__")
                .map(str::to_owned)
                .collect(),
            value: as_written(value),
        })
    }
}

/// Numbers, booleans and lists as TOML has them; whatever else is a text.
fn as_written(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}"));
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Reads a file, if there is one, and puts the layers over it, the last on top.
///
/// # Errors
/// [`SettingsError`], with the file's line or the layer at fault.
pub fn read(
    file: Option<&Path>,
    layers: impl IntoIterator<Item = Layer>,
) -> Result<Settings, SettingsError> {
    let mut table = match file {
        Some(path) => read_file(path)?,
        None => Table::new(),
    };
    for layer in layers {
        let mut alone = Table::new();
        put(&mut alone, &layer)?;
        check(alone, &layer.origin)?;
        put(&mut table, &layer)?;
    }
    // Each layer has been understood alone; together they can only miss something.
    let together = || Origin::File(file.unwrap_or(Path::new("the settings")).to_owned());
    check(table, &together())
}

fn read_file(path: &Path) -> Result<Table, SettingsError> {
    let text = fs::read_to_string(path).map_err(|source| SettingsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let malformed = |error: toml::de::Error| SettingsError::Malformed {
        origin: Origin::File(path.to_owned()),
        detail: located(&error, &text),
    };
    // From the text itself first: only this knows the lines.
    toml::from_str::<Settings>(&text).map_err(malformed)?;
    let mut table = toml::from_str(&text).map_err(malformed)?;
    // What the file names lies beside it, wherever the program was started.
    let folder = path.parent().unwrap_or(Path::new(""));
    for key in PATHS {
        beside(&mut table, key, folder);
    }
    Ok(table)
}

/// Where and what; not the line itself, which may have a password in it.
pub(super) fn located(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim_end().replace('\n', "; ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message;
    };
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.chars().rev().take_while(|c| *c != '\n').count();
    format!("line {line}, column {column}: {message}")
}

/// Puts `folder` before the path at this key, if it is relative.
fn beside(table: &mut Table, key: &str, folder: &Path) {
    let mut at = table;
    let mut names = key.split('.').peekable();
    while let Some(name) = names.next() {
        match at.get_mut(name) {
            Some(Value::Table(section)) if names.peek().is_some() => at = section,
            Some(Value::String(path)) if names.peek().is_none() => {
                *path = folder.join(&*path).to_string_lossy().into_owned();
                return;
            }
            _ => return,
        }
    }
}

/// Keys that name files and folders.
const PATHS: [&str; 14] = [
    "storage.folder",
    "storage.database_password_file",
    "storage.access_key_id_file",
    "storage.secret_access_key_file",
    "storage.authority",
    "storage.spool",
    "clients.tokens",
    "clients.tls.certificate",
    "clients.tls.key",
    "clients.tls.client_authority",
    "operator.tokens",
    "operator.tls.certificate",
    "operator.tls.key",
    "operator.tls.client_authority",
];

fn check(table: Table, origin: &Origin) -> Result<Settings, SettingsError> {
    table
        .try_into()
        .map_err(|error: toml::de::Error| SettingsError::Malformed {
            origin: origin.clone(),
            detail: error.to_string().trim().replace('\n', "; "),
        })
}

fn put(table: &mut Table, layer: &Layer) -> Result<(), SettingsError> {
    let Some((last, sections)) = layer.key.split_last() else {
        return Ok(());
    };
    let mut at = table;
    for section in sections {
        let entry = at
            .entry(section.clone())
            .or_insert_with(|| Value::Table(Table::new()));
        at = entry
            .as_table_mut()
            .ok_or_else(|| SettingsError::Malformed {
                origin: layer.origin.clone(),
                detail: format!("{section} is a value and has no keys below it"),
            })?;
    }
    at.insert(last.clone(), layer.value.clone());
    Ok(())
}

/// What the names of variables begin with that stand for a key.
const ENVIRONMENT: &str = "SEALSUM__";
