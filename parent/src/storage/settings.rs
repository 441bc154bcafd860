//! Where rounds are kept, as an operator writes it: the section `storage`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::shared::SharedSettings;
use super::{Embedded, Shared, Storage, StorageError, Whereabouts, blocking};

/// The section `storage`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageSettings {
    kind: Kind,
    /// `embedded`: the data folder.
    folder: Option<PathBuf>,
    /// `shared`: the database's URL, `postgresql://USER@HOST/NAME`.
    database: Option<DatabaseUrl>,
    /// The database's password, in a file.
    database_password_file: Option<PathBuf>,
    /// `s3://NAME`, or `s3://NAME/PREFIX`.
    bucket: Option<String>,
    /// The object store's URL, if it is not Amazon's.
    endpoint: Option<String>,
    region: Option<String>,
    /// Both or neither; without, the environment's, or the instance's role.
    access_key_id_file: Option<PathBuf>,
    secret_access_key_file: Option<PathBuf>,
    /// Certificates that database and object store are verified by, in place of the system's.
    authority: Option<PathBuf>,
    /// Where clients reach this parent, for the other ones to send them here.
    advertise: Option<String>,
    /// Where the operator does, if that is elsewhere.
    advertise_operator: Option<String>,
    /// A folder for blobs on their way, as large as what is uploaded at a time.
    spool: Option<PathBuf>,
    /// How long a parent that is gone keeps its rounds.
    lease_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// One parent, one folder.
    #[default]
    Embedded,
    /// Several parents, one database and one bucket.
    Shared,
}

/// May hold a password, so it is not shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct DatabaseUrl(pub(super) String);

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(not shown)")
    }
}

impl StorageSettings {
    /// One folder.
    #[must_use]
    pub fn embedded(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            ..Self::default()
        }
    }

    /// The data folder, if it is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Whether several parents share it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.kind == Kind::Shared
    }

    /// With the defaults.
    pub(crate) fn filled(self) -> Self {
        let lease = self.lease_seconds.unwrap_or(LEASE_SECONDS);
        Self {
            lease_seconds: self.is_shared().then_some(lease),
            ..self
        }
    }

    /// Files of secrets and certificates that it names, each with its key.
    pub(crate) fn files(&self) -> Vec<(&'static str, &Path)> {
        let files = [
            ("database_password_file", &self.database_password_file),
            ("access_key_id_file", &self.access_key_id_file),
            ("secret_access_key_file", &self.secret_access_key_file),
            ("authority", &self.authority),
        ];
        let named = files.into_iter();
        named
            .filter_map(|(key, path)| Some((key, path.as_deref()?)))
            .collect()
    }

    /// The folder for blobs on their way.
    pub(crate) fn spool(&self) -> Option<&Path> {
        self.spool.as_deref()
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`StorageError`], with the key that is at fault or what the medium says.
    pub async fn open(&self) -> Result<Arc<dyn Storage>, StorageError> {
        match self.kind {
            Kind::Embedded => {
                let folder = self.embedded_folder()?.to_owned();
                let opened = blocking(move || Embedded::open(&folder)).await?;
                Ok(Arc::new(opened))
            }
            Kind::Shared => Ok(Arc::new(Shared::open(self.shared()?).await?)),
        }
    }

    /// Errs if a key is missing or belongs to the other kind; touches nothing.
    ///
    /// # Errors
    /// [`StorageError::Setting`].
    pub fn check(&self) -> Result<(), StorageError> {
        match self.kind {
            Kind::Embedded => self.embedded_folder().map(drop),
            Kind::Shared => self.shared().map(drop),
        }
    }

    fn embedded_folder(&self) -> Result<&Path, StorageError> {
        let of_shared = [
            ("database", self.database.is_some()),
            (
                "database_password_file",
                self.database_password_file.is_some(),
            ),
            ("bucket", self.bucket.is_some()),
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("access_key_id_file", self.access_key_id_file.is_some()),
            (
                "secret_access_key_file",
                self.secret_access_key_file.is_some(),
            ),
            ("authority", self.authority.is_some()),
            ("advertise", self.advertise.is_some()),
            ("advertise_operator", self.advertise_operator.is_some()),
            ("spool", self.spool.is_some()),
            ("lease_seconds", self.lease_seconds.is_some()),
        ];
        for (key, is_set) in of_shared {
            if is_set {
                let problem = "is for kind = \"shared\"; set that, or leave this out";
                return Err(StorageError::Setting { key, problem });
            }
        }
        let missing = StorageError::Setting {
            key: "folder",
            problem: "is missing: the folder that rounds are kept in",
        };
        self.folder.as_deref().ok_or(missing)
    }

    fn shared(&self) -> Result<SharedSettings, StorageError> {
        let at_fault = |key, problem| StorageError::Setting { key, problem };
        if self.folder.is_some() {
            let problem =
                "is for kind = \"embedded\"; leave it out, rounds are in database and bucket";
            return Err(at_fault("folder", problem));
        }
        let bucket = self.bucket.as_deref();
        let bucket = bucket.and_then(|url| url.strip_prefix("s3://"));
        let bucket = bucket.ok_or_else(|| {
            at_fault(
                "bucket",
                "is to be s3://NAME, or s3://NAME/PREFIX for a part of it",
            )
        })?;
        let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
        let clients = self.advertise.as_deref().unwrap_or_default();
        let operator = self.advertise_operator.as_deref().unwrap_or(clients);
        for (key, url) in [("advertise", clients), ("advertise_operator", operator)] {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                let problem = "is to be the URL at which this parent is reached: other parents send clients and operator there";
                return Err(at_fault(key, problem));
            }
        }
        let keys = match (&self.access_key_id_file, &self.secret_access_key_file) {
            (Some(id), Some(secret)) => Some((id.clone(), secret.clone())),
            (None, None) => None,
            _ => {
                let problem = "and secret_access_key_file belong together: set both or neither";
                return Err(at_fault("access_key_id_file", problem));
            }
        };
        let lease = self.lease_seconds.unwrap_or(LEASE_SECONDS);
        if !(1..=3600).contains(&lease) {
            return Err(at_fault("lease_seconds", "is to be between 1 and 3600"));
        }
        // It is shown and logged as it stands.
        if self.endpoint.as_ref().is_some_and(|url| url.contains('@')) {
            return Err(at_fault(
                "endpoint",
                "has a name or password before the host: give access_key_id_file and secret_access_key_file",
            ));
        }
        Ok(SharedSettings {
            database: self.database.clone().ok_or_else(|| {
                at_fault(
                    "database",
                    "is missing: the URL postgresql://USER@HOST/NAME",
                )
            })?,
            password_file: self.database_password_file.clone(),
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            keys,
            authority: self.authority.clone(),
            place: Whereabouts {
                clients: clients.trim_end_matches('/').to_owned(),
                operator: operator.trim_end_matches('/').to_owned(),
            },
            spool: self
                .spool
                .clone()
                .ok_or_else(|| at_fault("spool", "is missing: a folder for blobs on their way"))?,
            lease: Duration::from_secs(lease),
        })
    }
}

/// Some renewals' worth: a database that is away for a moment costs no lease.
const LEASE_SECONDS: u64 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = r#"
        kind = "shared"
        database = "postgresql://sealsum:pass@db.example/sealsum"
        bucket = "s3://rounds/of/two"
        advertise = "https://one.example/"
        spool = "/var/spool/sealsum"
    "#;

    fn problem_of(text: &str) -> String {
        let settings: StorageSettings = toml::from_str(text).unwrap();
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn each_kind_takes_its_own_keys_and_no_others() {
        let embedded: StorageSettings = toml::from_str("folder = \"/data\"").unwrap();
        embedded.check().unwrap();
        let shared: StorageSettings = toml::from_str(SHARED).unwrap();
        let shared = shared.shared().unwrap();
        assert_eq!((&*shared.bucket, &*shared.prefix), ("rounds", "of/two"));
        assert_eq!(shared.place.clients, "https://one.example");
        assert_eq!(shared.place.operator, "https://one.example");
        for line in SHARED.lines().skip(2).filter(|line| line.contains('=')) {
            let key = line.trim().split_once(' ').unwrap().0;
            let without = problem_of(&SHARED.replace(line, ""));
            assert!(without.starts_with(&format!("storage.{key}")), "{without}");
            let misplaced = problem_of(&format!("folder = \"/data\"\n{line}"));
            assert!(
                misplaced.starts_with(&format!("storage.{key}")),
                "{misplaced}"
            );
        }
        let with_folder = problem_of(&format!("{SHARED}\nfolder = \"/data\""));
        assert!(with_folder.starts_with("storage.folder"), "{with_folder}");
        let half = problem_of(&format!("{SHARED}\naccess_key_id_file = \"/id\""));
        assert!(half.contains("belong together"), "{half}");
        assert!(toml::from_str::<StorageSettings>("folders = \"/data\"").is_err());
    }

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        let shared: StorageSettings = toml::from_str(SHARED).unwrap();
        assert!(!format!("{shared:?}").contains("pass@"));
    }
}
