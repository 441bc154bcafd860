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

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Makes the value, and again whenever a look finds other contents in `files`, for as long
    /// as somebody holds it. Files that can't be used leave the last good value in place: they may
    /// be half replaced.
    pub(crate) fn start<E: Display + Send>(
        what: String,
        files: Vec<PathBuf>,
        every: Duration,
        metrics: Metrics,
        first: impl FnOnce() -> Result<T, E>,
        again: impl Fn() -> Result<T, E> + Send + 'static,
    ) -> Result<Arc<Self>, E> {
        // Before the value: what changes in between is then found at the first look.
        let mut made_of = fingerprint(&files);
        let reloaded = Arc::new(Self {
            current: RwLock::new(Arc::new(first()?)),
        });
        let held = Arc::downgrade(&reloaded);
        tokio::spawn(async move {
            let mut complained_of = None;
            loop {
                tokio::time::sleep(every).await;
                let found = fingerprint(&files);
                let Some(reloaded) = held.upgrade() else {
                    return;
                };
                if found == made_of {
                    if complained_of.take().is_some() {
                        tracing::info!(what, "is as it was when it was last read");
                    }
                    continue;
                }
                match again() {
                    Ok(value) => {
                        reloaded.replace(value);
                        tracing::info!(what, "changed and was read again");
                        (made_of, complained_of) = (found, None);
                    }
                    // Tried again at every look, told once.
                    Err(error) if complained_of != Some(found) => {
                        tracing::error!(what, %error, "changed and can't be used; the earlier goes on");
                        metrics.reload_failed();
                        complained_of = Some(found);
                    }
                    Err(_) => {}
                }
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
        let contents = fs::read(file).unwrap_or_default();
        context.update(&(contents.len() as u64).to_le_bytes());
        context.update(&contents);
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
            move || number(&again),
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
            || Ok(1),
        );
        assert!(started.is_err());
    }
}
