//! The servers of `parent/tests/servers/with.sh`. Tests that need them are those of the feature
//! `servers`, and fail if they are not there.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A database and a part of a bucket of its own. Each store that is opened on it is another parent's.
pub(super) struct Servers {
    pub(super) folder: tempfile::TempDir,
    pub(super) database: String,
    pub(super) administration: tokio_postgres::Client,
}

pub(super) fn variable(name: &str) -> String {
    let told = std::env::var(name);
    told.unwrap_or_else(|_| panic!("{name} is not set: run parent/tests/servers/with.sh"))
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let connected = tokio_postgres::connect(url, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    client
}

impl Servers {
    pub(super) async fn new() -> Self {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{number}", std::process::id());
        let url = variable("SEALSUM_TEST_DATABASE");
        let server = connect(&url).await;
        let create = format!("CREATE DATABASE {name}");
        server.batch_execute(&create).await.unwrap();
        let database = url.replace("/postgres", &format!("/{name}"));
        // There after the first test.
        let bucket = format!("{}/rounds", variable("SEALSUM_TEST_S3"));
        let tls = shared_tls();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls);
        let made = client.build().unwrap().put(bucket).send().await.unwrap();
        assert!(made.status().is_success() || made.status() == 409);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "test\n").unwrap();
        Self {
            administration: connect(&database).await,
            folder,
            database,
        }
    }

    pub(super) fn settings(&self, advertise: &str) -> StorageSettings {
        toml::from_str(&self.text(advertise)).unwrap()
    }

    fn text(&self, advertise: &str) -> String {
        let key = self.folder.path().join("key");
        let (key, spool) = (key.display(), self.folder.path().join("spool"));
        format!(
            r#"
            kind = "shared"
            database = "{}"
            bucket = "s3://rounds/{}"
            endpoint = "{}"
            region = "eu-central-1"
            access_key_id_file = "{key}"
            secret_access_key_file = "{key}"
            advertise = "{advertise}"
            spool = "{}"
            lease_seconds = 60
            "#,
            self.database,
            self.database_name(),
            variable("SEALSUM_TEST_S3"),
            spool.display(),
        )
    }

    /// A parent of settings in which `from` is replaced.
    pub(super) async fn open_with(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Arc<dyn Storage>, StorageError> {
        let text = self.text("https://one.example").replace(from, to);
        let settings: StorageSettings = toml::from_str(&text).unwrap();
        settings.open().await
    }

    pub(super) fn database_name(&self) -> &str {
        self.database.rsplit('/').next().unwrap()
    }

    /// A connection beside the database of this test.
    pub(super) async fn server(&self) -> tokio_postgres::Client {
        connect(&variable("SEALSUM_TEST_DATABASE")).await
    }

    pub(super) async fn parent(&self, name: &str) -> Arc<dyn Storage> {
        let settings = self.settings(&format!("https://{name}.example"));
        settings.open().await.unwrap()
    }

    pub(super) async fn count(&self, table: &str) -> i64 {
        let query = format!("SELECT count(*) FROM sealsum.{table}");
        self.administration
            .query_one(&query, &[])
            .await
            .unwrap()
            .get(0)
    }

    pub(super) fn files_in_the_spool(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("spool"))
            .unwrap()
            .count()
    }
}

fn shared_tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// The parent before has left.
impl Medium for Servers {
    fn open(&self) -> Pin<Box<dyn Future<Output = Arc<dyn Storage>> + '_>> {
        Box::pin(async {
            let end = "UPDATE sealsum.leases SET expires = '-infinity'";
            // No tables yet, the first time.
            let _ = self.administration.batch_execute(end).await;
            self.parent("one").await
        })
    }
}
