//! What an operator writes down: a TOML file, over it the environment, over that flags.
//!
//! Every key has a default but where the enclave is and where rounds are kept. An unknown key
//! is an error: a misspelt limit is no limit.

mod error;
mod keys;
mod layers;
mod shown;
mod variables;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

pub use error::SettingsError;
pub use layers::{Layer, Origin, read};
pub use shown::Shown;
pub use variables::check_variables;

use crate::config::{Config, Limits, Listener, OnShutdown, TlsFiles};
use crate::storage::StorageSettings;

/// Everything that can be set, in the sections of the file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    on_shutdown: OnShutdown,
    enclave: EnclaveSettings,
    storage: StorageSettings,
    clients: ListenerSettings,
    operator: OperatorSettings,
    rounds: RoundSettings,
    limits: LimitSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct EnclaveSettings {
    address: Option<String>,
    connect_seconds: Option<u64>,
    reply_seconds: Option<u64>,
    lost_after_seconds: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct ListenerSettings {
    listen: Option<SocketAddr>,
    tls: Option<TlsSettings>,
    tokens: Option<PathBuf>,
}

/// Each by itself, so that the environment may set one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct TlsSettings {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    client_authority: Option<PathBuf>,
}

impl TlsSettings {
    fn files(&self, section: &'static str) -> Result<TlsFiles, SettingsError> {
        let needed = |path: &Option<PathBuf>, key| {
            path.clone().ok_or(SettingsError::HalfTls { section, key })
        };
        Ok(TlsFiles {
            certificate: needed(&self.certificate, "certificate")?,
            key: needed(&self.key, "key")?,
            client_authority: self.client_authority.clone(),
        })
    }
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct OperatorSettings {
    listen: Option<SocketAddr>,
    tls: Option<TlsSettings>,
    tokens: Option<PathBuf>,
    plaintext: bool,
    keys: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct RoundSettings {
    keep_days: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct LimitSettings {
    masked_update_mib: Option<u64>,
    connections: Option<usize>,
    connections_per_address: Option<usize>,
    requests_per_second: Option<u32>,
    requests_per_second_per_address: Option<u32>,
    head_seconds: Option<u64>,
    body_piece_seconds: Option<u64>,
    shutdown_seconds: Option<u64>,
}

/// `[log]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How lines are written.
    pub format: LogFormat,
    /// Which lines, in the words of `RUST_LOG`; `info` unless set.
    pub filter: Option<String>,
}

impl LogSettings {
    /// Which lines: as set here, else as `RUST_LOG` has it, else `info`.
    ///
    /// # Errors
    /// [`SettingsError::LogFilter`].
    pub fn filter_in_force(&self) -> Result<String, SettingsError> {
        match &self.filter {
            Some(filter) if is_filter(filter) => Ok(filter.clone()),
            Some(filter) => Err(SettingsError::LogFilter(filter.clone())),
            None => Ok(self.variable().unwrap_or_else(|| "info".to_owned())),
        }
    }

    /// The filter of `RUST_LOG`, if that counts. It may be meant for other programs, so what is none
    /// here ends no start.
    fn variable(&self) -> Option<String> {
        let filter = std::env::var(LOG_VARIABLE).ok();
        filter.filter(|filter| self.filter.is_none() && is_filter(filter))
    }

    /// What `RUST_LOG` says, if it would count and is no filter.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        let filter = std::env::var(LOG_VARIABLE).ok();
        filter.filter(|filter| self.filter.is_none() && !filter.is_empty() && !is_filter(filter))
    }
}

/// A single word that is no level would be taken for a part of the program, and all else left out.
fn is_filter(text: &str) -> bool {
    let is_level = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
    EnvFilter::try_new(text).is_ok() && text.split(',').all(is_level)
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Settings {
    /// Checks what can be checked without touching anything, and fills in the defaults.
    ///
    /// # Errors
    /// [`SettingsError`], with the key that is at fault.
    pub fn into_config(self) -> Result<Config, SettingsError> {
        let enclave = self.enclave.address.as_deref();
        let enclave = enclave.ok_or(SettingsError::Missing {
            key: "enclave.address",
            flag: "--enclave",
            example: "vsock:16:5005",
        })?;
        let folder = self.storage.folder().filter(|folder| *folder != "");
        if folder.is_none() && !self.storage.is_shared() {
            return Err(SettingsError::Missing {
                key: "storage.folder",
                flag: "--data",
                example: "/var/lib/sealsum",
            });
        }
        self.storage.check().map_err(SettingsError::Storage)?;
        let config = Config {
            enclave: enclave
                .parse()
                .map_err(|error| SettingsError::value("enclave.address", enclave, &error))?,
            storage: self.storage.clone(),
            operators: parse_keys(&self.operator.keys)?,
            clients: Listener {
                address: self.clients.listen.unwrap_or(DEFAULT_LISTEN),
                tls: files(self.clients.tls.as_ref(), "clients")?,
                tokens: self.clients.tokens.clone(),
                plaintext: true,
            },
            operator: self.operator.listener()?,
            limits: self.limits()?,
            on_shutdown: self.on_shutdown,
        };
        config.check()?;
        self.log.filter_in_force()?;
        Ok(config)
    }

    fn limits(&self) -> Result<Limits, SettingsError> {
        let mut limits = Limits::default();
        let LimitSettings {
            masked_update_mib,
            connections,
            connections_per_address,
            requests_per_second,
            requests_per_second_per_address,
            head_seconds,
            body_piece_seconds,
            shutdown_seconds,
        } = &self.limits;
        if let Some(mib) = above_zero("limits.masked_update_mib", *masked_update_mib)? {
            limits.masked_update = mib.saturating_mul(1 << 20);
        }
        set(
            &mut limits.connections,
            above_zero("limits.connections", *connections)?,
        );
        set(
            &mut limits.connections_per_address,
            above_zero("limits.connections_per_address", *connections_per_address)?,
        );
        set(
            &mut limits.rates.all,
            above_zero("limits.requests_per_second", *requests_per_second)?.map(Some),
        );
        set(
            &mut limits.rates.each_address,
            above_zero(
                "limits.requests_per_second_per_address",
                *requests_per_second_per_address,
            )?
            .map(Some),
        );
        for (limit, key, seconds) in [
            (&mut limits.head, "limits.head_seconds", head_seconds),
            (
                &mut limits.body_piece,
                "limits.body_piece_seconds",
                body_piece_seconds,
            ),
            (
                &mut limits.shutdown,
                "limits.shutdown_seconds",
                shutdown_seconds,
            ),
            (
                &mut limits.enclave.connect,
                "enclave.connect_seconds",
                &self.enclave.connect_seconds,
            ),
            (
                &mut limits.enclave.reply,
                "enclave.reply_seconds",
                &self.enclave.reply_seconds,
            ),
            (
                &mut limits.lost_after,
                "enclave.lost_after_seconds",
                &self.enclave.lost_after_seconds,
            ),
        ] {
            set(limit, above_zero(key, *seconds)?.map(Duration::from_secs));
        }
        limits.keep = above_zero("rounds.keep_days", self.rounds.keep_days)?
            .map(|days| Duration::from_secs(days * DAY));
        Ok(limits)
    }
}

impl OperatorSettings {
    fn listener(&self) -> Result<Option<Listener>, SettingsError> {
        let Some(address) = self.listen else {
            // Nobody would notice that the operator's paths are open to all clients.
            return match (&self.tls, &self.tokens) {
                (None, None) => Ok(None),
                _ => Err(SettingsError::OperatorWithoutListener),
            };
        };
        Ok(Some(Listener {
            address,
            tls: files(self.tls.as_ref(), "operator")?,
            tokens: self.tokens.clone(),
            plaintext: self.plaintext,
        }))
    }
}

fn files(
    tls: Option<&TlsSettings>,
    section: &'static str,
) -> Result<Option<TlsFiles>, SettingsError> {
    tls.map(|tls| tls.files(section)).transpose()
}

fn parse_keys(keys: &[String]) -> Result<Vec<sealsum_protocol::OperatorKey>, SettingsError> {
    let parse = |key: &String| {
        key.parse()
            .map_err(|error| SettingsError::value("operator.keys", key, &error))
    };
    keys.iter().map(parse).collect()
}

/// A limit lets something through, and is none that only a slip of the keyboard asks for.
fn above_zero<T>(key: &'static str, value: Option<T>) -> Result<Option<T>, SettingsError>
where
    T: Copy + PartialEq + Default + TryInto<u64>,
{
    match value {
        Some(value) if value == T::default() => Err(SettingsError::Zero { key }),
        Some(value) if value.try_into().map_or(true, |value| value > MOST) => {
            Err(SettingsError::TooMuch { key, most: MOST })
        }
        value => Ok(value),
    }
}

fn set<T>(limit: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *limit = value;
    }
}

/// A year in seconds, a million connections and then some, 32 TiB in MiB.
const MOST: u64 = 32 << 20;
const DAY: u64 = 24 * 60 * 60;
const LOG_VARIABLE: &str = "RUST_LOG";
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8480);

#[cfg(test)]
mod tests;
