//! What is made of files and made again when they change: certificates are renewed and tokens
//! withdrawn while the parent runs.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ring::digest::{Context, SHA256};

use crate::metrics::Metrics;

/// The value as of the last time that its files were good.
pub(crate) struct Reloaded<T> {
    current: RwLock<Arc<T>>,
}

/// What changed files come to.
pub(crate) struct Reread<T> {
    /// From now on; without one, what was in force goes on.
    pub(crate) value: Option<T>,
    /// What is wrong with the files.
    pub(crate) fault: Option<String>,
}

impl<T, E: Display> From<Result<T, E>> for Reread<T> {
    /// Files that can't be used may be half replaced: the earlier value goes on.
    fn from(read: Result<T, E>) -> Self {
        match read {
            Ok(value) => Self {
                value: Some(value),
                fault: None,
            },
            Err(error) => Self {
                value: None,
                fault: Some(error.to_string()),
            },
        }
    }
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Makes the value, and again whenever a look finds other contents in `files`, for as long
    /// as somebody holds it.
    pub(crate) fn start<E>(
        what: String,
        files: Vec<PathBuf>,
        every: Duration,
        metrics: Metrics,
        first: impl FnOnce() -> Result<T, E>,
        again: impl Fn() -> Reread<T> + Send + 'static,
    ) -> Result<Arc<Self>, E> {
        // Before the value: what changes in between is then found at the first look.
        let mut read = fingerprint(&files);
        let reloaded = Arc::new(Self {
            current: RwLock::new(Arc::new(first()?)),
        });
        metrics.files_unusable(&what, false);
        let held = Arc::downgrade(&reloaded);
        tokio::spawn(async move {
            // The files that the value is all of, if it is.
            let (mut made_of, mut at_fault) = (Some(read), false);
            // Whether nothing came of the files as they were last read.
            let mut goes_on = false;
            loop {
                tokio::time::sleep(every).await;
                let found = fingerprint(&files);
                let Some(reloaded) = held.upgrade() else {
                    return;
                };
                // Told once; why they could not be read may pass without a change of them.
                let told = found == read;
                if told && !at_fault {
                    continue;
                }
                read = found;
                if made_of == Some(found) && at_fault {
                    tracing::info!(what, "is as it was when it was last read");
                    at_fault = false;
                    metrics.files_unusable(&what, at_fault);
                    continue;
                }
                let Reread { value, fault } = again();
                // Of which contents it is made, nobody knows if they changed meanwhile: it looks again.
                let sure = fingerprint(&files) == found;
                // Of the same files another value would be no other, but connections end with the first.
                let in_force = told && !goes_on;
                goes_on = value.is_none();
                if let Some(value) = value.filter(|_| !in_force) {
                    reloaded.replace(value);
                    made_of = (sure && fault.is_none()).then_some(found);
                }
                match &fault {
                    Some(_) if told => {}
                    Some(error) if goes_on => {
                        tracing::error!(what, %error, "changed and can't be used; the earlier goes on");
                    }
                    Some(error) => {
                        tracing::error!(what, %error, "changed, and what is left of it counts")
                    }
                    None => tracing::info!(what, "changed and was read again"),
                }
                if fault.is_some() && !told {
                    metrics.reload_failed();
                }
                if !sure {
                    read = [0; 32];
                }
                at_fault = fault.is_some();
                metrics.files_unusable(&what, at_fault);
            }
        });
        Ok(reloaded)
    }

    pub(crate) fn current(&self) -> Arc<T> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, value: T) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(value);
    }
}

/// Of contents, not of times: a renewed file may come with its old time.
fn fingerprint(files: &[PathBuf]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for file in files {
        match fs::read(file) {
            Ok(contents) => {
                context.update(&(contents.len() as u64).to_le_bytes());
                context.update(&contents);
            }
            // Other than an empty file.
            Err(error) => {
                context.update(&u64::MAX.to_le_bytes());
                context.update(error.kind().to_string().as_bytes());
            }
        }
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(context.finish().as_ref());
    fingerprint
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn number(path: &Path) -> Result<u64, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        text.parse().map_err(|_| format!("{text:?} is no number"))
    }

    async fn until(reloaded: &Reloaded<u64>, expected: u64) {
        while *reloaded.current() != expected {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_a_spoilt_one_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        fs::write(&file, "1").unwrap();
        let (path, again) = (file.clone(), file.clone());
        let reloaded = Reloaded::start(
            "a number".to_owned(),
            vec![file.clone()],
            Duration::from_millis(1),
            Metrics::new(),
            move || number(&path),
            move || number(&again).into(),
        )
        .unwrap();
        assert_eq!(*reloaded.current(), 1);
        fs::write(&file, "2").unwrap();
        until(&reloaded, 2).await;
        fs::write(&file, "two").unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(*reloaded.current(), 2);
        fs::remove_file(&file).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(*reloaded.current(), 2);
        fs::write(&file, "3").unwrap();
        until(&reloaded, 3).await;
    }

    #[tokio::test]
    async fn at_first_it_has_to_be_good() {
        let started = Reloaded::start(
            "a number".to_owned(),
            vec![PathBuf::from("/nowhere/number")],
            Duration::from_secs(1),
            Metrics::new(),
            || number(Path::new("/nowhere/number")),
            || Ok::<_, String>(1).into(),
        );
        assert!(started.is_err());
    }
}
