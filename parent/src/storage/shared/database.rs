//! Connections to PostgreSQL: a pool, bounded waits, and the tables.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use rustls::ClientConfig;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};

use super::SharedSettings;
use super::tls::Tls;
use crate::storage::StorageError;

pub(super) struct Database(Pool);

impl Database {
    pub(super) async fn open(
        settings: &SharedSettings,
        tls: ClientConfig,
    ) -> Result<Self, StorageError> {
        let config = config(settings)?;
        let manager_config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match config.get_ssl_mode() {
            SslMode::Disable => Manager::from_config(config, NoTls, manager_config),
            _ => Manager::from_config(config, Tls::new(tls), manager_config),
        };
        let pool = Pool::builder(manager)
            .runtime(Runtime::Tokio1)
            .max_size(CONNECTIONS)
            .timeouts(Timeouts {
                wait: Some(WAIT),
                create: Some(WAIT),
                recycle: Some(WAIT),
            })
            .build()
            .map_err(|error| StorageError::NoConnection {
                action: "make a pool",
                detail: Box::new(error),
            })?;
        let database = Self(pool);
        database.make_tables().await?;
        Ok(database)
    }

    pub(super) async fn connection(&self, action: &'static str) -> Result<Object, StorageError> {
        self.0.get().await.map_err(|error| match error {
            PoolError::Backend(source) => StorageError::Database { action, source },
            error => StorageError::NoConnection {
                action,
                detail: Box::new(error),
            },
        })
    }

    /// Several parents may start at once: the first makes them.
    async fn make_tables(&self) -> Result<(), StorageError> {
        const ACTION: &str = "make the tables";
        let mut connection = self.connection(ACTION).await?;
        let transaction = connection.transaction().await.map_err(failed(ACTION))?;
        let lock = format!("SELECT pg_advisory_xact_lock({MAKING})");
        let tables = async {
            transaction.batch_execute(&lock).await?;
            transaction.batch_execute(VERSIONS).await?;
            let found = transaction
                .query_opt("SELECT version FROM sealsum.version", &[])
                .await?;
            if let Some(row) = found {
                return row.try_get::<_, i32>(0);
            }
            transaction.batch_execute(TABLES).await?;
            let insert = "INSERT INTO sealsum.version (one, version) VALUES (1, $1)";
            transaction.execute(insert, &[&VERSION]).await?;
            Ok(VERSION)
        };
        let found = tables.await.map_err(failed(ACTION))?;
        if found != VERSION {
            return Err(StorageError::Tables {
                found,
                known: VERSION,
            });
        }
        transaction.commit().await.map_err(failed(ACTION))
    }
}

pub(super) fn failed(
    action: &'static str,
) -> impl Fn(tokio_postgres::Error) -> StorageError + Copy {
    move |source| StorageError::Database { action, source }
}

fn config(settings: &SharedSettings) -> Result<Config, StorageError> {
    let mut config: Config = settings
        .database
        .0
        .parse()
        .map_err(|_| StorageError::Setting {
            key: "database",
            // The parser's words may repeat the password.
            problem: "is no URL of a PostgreSQL database, such as postgresql://USER@HOST/NAME",
        })?;
    if let Some(path) = &settings.password_file {
        let password = fs::read_to_string(path).map_err(|source| StorageError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        config.password(password.trim_end());
    }
    // `prefer` falls back to plain text whenever whoever is between asks for it.
    if config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(if is_local(&config) {
            SslMode::Disable
        } else {
            SslMode::Require
        });
    }
    if config.get_application_name().is_none() {
        config.application_name("sealsum-parent");
    }
    let given = config.get_options().unwrap_or_default();
    // Last, so that it holds: an answer means "on the disk", and no statement waits for ever.
    let options = format!("{given} {SESSION}");
    config.options(options.trim_start());
    config.connect_timeout(WAIT);
    config.tcp_user_timeout(WAIT);
    config.keepalives_idle(WAIT);
    Ok(config)
}

/// Whether no network lies between.
fn is_local(config: &Config) -> bool {
    let is_loopback = |address: &IpAddr| address.is_loopback();
    config.get_hostaddrs().iter().all(is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|a| is_loopback(&a)),
        })
}

/// For a connection, from the pool or new; also how long a peer may leave data unacknowledged.
const WAIT: Duration = Duration::from_secs(5);
/// Enough that commits meet in one fsync of the server; few beside its usual hundred.
const CONNECTIONS: usize = 16;
const SESSION: &str = "-c synchronous_commit=on -c statement_timeout=10s -c lock_timeout=5s \
                       -c idle_in_transaction_session_timeout=15s";
/// An advisory lock's number: "Sealsum" as a big-endian integer.
const MAKING: i64 = 0x0053_6561_6c73_756d;
const VERSION: i32 = 1;

const VERSIONS: &str = "
CREATE SCHEMA IF NOT EXISTS sealsum;
CREATE TABLE IF NOT EXISTS sealsum.version (
    one     int PRIMARY KEY CHECK (one = 1),
    version int NOT NULL
);
";

const TABLES: &str = "
CREATE TABLE sealsum.records (
    kind     text  NOT NULL,
    round_id bytea NOT NULL CHECK (length(round_id) = 32),
    client   bytea NOT NULL CHECK (length(client) IN (0, 32)),
    value    bytea NOT NULL,
    PRIMARY KEY (kind, round_id, client)
);

-- Which object is a blob's content, and which one was before.
CREATE TABLE sealsum.blobs (
    kind     text   NOT NULL,
    round_id bytea  NOT NULL CHECK (length(round_id) = 32),
    which    bytea  NOT NULL CHECK (length(which) IN (0, 8, 32)),
    object   text   NOT NULL UNIQUE,
    bytes    bigint NOT NULL,
    earlier  text,
    PRIMARY KEY (kind, round_id, which)
);

-- Objects that no blob names: not yet, or not any more.
CREATE TABLE sealsum.objects (
    object text PRIMARY KEY,
    since  timestamptz NOT NULL
);

CREATE SEQUENCE sealsum.lease_tokens;
CREATE TABLE sealsum.leases (
    round_id bytea PRIMARY KEY CHECK (length(round_id) = 32),
    holder   bytea NOT NULL,
    url      text  NOT NULL,
    operator_url text NOT NULL,
    token    bigint NOT NULL,
    expires  timestamptz NOT NULL,
    attempts int NOT NULL
);
CREATE INDEX leases_by_expiry ON sealsum.leases (expires);
";
