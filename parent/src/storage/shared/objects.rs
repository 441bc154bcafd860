//! The object store: immutable objects, written whole and read at any place.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt as _, PutPayload, RetryConfig};
use rustls::ClientConfig;
use tokio::runtime::Handle;

use super::SharedSettings;
use crate::storage::{BlobReader, StorageError};

/// A part of a bucket.
pub(super) struct Objects {
    store: Arc<AmazonS3>,
    prefix: String,
}

impl Objects {
    pub(super) fn open(
        settings: &SharedSettings,
        tls: &ClientConfig,
    ) -> Result<Self, StorageError> {
        // Credentials that no file names are the environment's, or the instance's.
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&settings.bucket)
            .with_http_connector(Connector(tls.clone()))
            .with_retry(RetryConfig {
                max_retries: 4,
                retry_timeout: Duration::from_secs(20),
                ..RetryConfig::default()
            });
        if let Some(endpoint) = &settings.endpoint {
            let plain = endpoint.starts_with("http://");
            builder = builder.with_endpoint(endpoint).with_allow_http(plain);
        }
        if let Some(region) = &settings.region {
            builder = builder.with_region(region);
        }
        if let Some((id, secret)) = &settings.keys {
            builder = builder
                .with_access_key_id(line(id)?)
                .with_secret_access_key(line(secret)?);
        }
        let store = builder.build().map_err(failed("open", &settings.bucket))?;
        Ok(Self {
            store: Arc::new(store),
            prefix: settings.prefix.clone(),
        })
    }

    /// The key of an object of this part.
    pub(super) fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.prefix)
        }
    }

    /// Writes an object out of `read`, which gives `bytes` bytes from a place on. Blocks.
    pub(super) async fn upload(
        &self,
        object: &str,
        bytes: u64,
        read: impl Fn(u64, usize) -> io::Result<Vec<u8>> + Send + Sync + Clone + 'static,
    ) -> Result<(), StorageError> {
        let key = Key::from(object);
        let at_fault = failed("write", object);
        let piece = |start: u64| {
            let read = read.clone();
            let length = usize::try_from((bytes - start).min(PART)).unwrap_or(usize::MAX);
            async move {
                crate::storage::blocking(move || read(start, length))
                    .await
                    .map(PutPayload::from)
            }
        };
        let from_spool = |source: io::Error| object_store::Error::Generic {
            store: "spool",
            source: Box::new(source),
        };
        if bytes <= PART {
            let payload = piece(0).await.map_err(from_spool).map_err(&at_fault)?;
            return self
                .store
                .put(&key, payload)
                .await
                .map(drop)
                .map_err(at_fault);
        }
        let mut parts = self.store.put_multipart(&key).await.map_err(&at_fault)?;
        let mut start = 0;
        let sent = async {
            while start < bytes {
                // A part at a time: memory is bounded, and uploads run beside each other.
                parts
                    .put_part(piece(start).await.map_err(from_spool)?)
                    .await?;
                start += PART;
            }
            parts.complete().await.map(drop)
        };
        let sent = sent.await;
        if sent.is_err()
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(object, %error, "parts of an object were left behind");
        }
        sent.map_err(at_fault)
    }

    pub(super) fn reader(&self, object: String, bytes: u64) -> impl BlobReader + use<> {
        ObjectReader {
            store: Arc::clone(&self.store),
            runtime: Handle::current(),
            object,
            bytes,
            ahead: Mutex::default(),
        }
    }

    /// Removes an object, if it is there.
    pub(super) async fn remove(&self, object: &str) -> Result<(), StorageError> {
        match self.store.delete(&Key::from(object)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(failed("remove", object)(source)),
        }
    }
}

fn failed(
    action: &'static str,
    object: &str,
) -> impl Fn(object_store::Error) -> StorageError + use<> {
    let object = object.to_owned();
    move |source| StorageError::Object {
        action,
        object: object.clone(),
        source,
    }
}

fn line(path: &Path) -> Result<String, StorageError> {
    let text = fs::read_to_string(path).map_err(|source| StorageError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

/// HTTP by reqwest, over this TLS. No redirect and no proxy of the environment's.
#[derive(Debug)]
struct Connector(ClientConfig);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.0.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(20))
            .build();
        let client = client.map_err(|source| object_store::Error::Generic {
            store: "S3",
            source: Box::new(source),
        })?;
        Ok(HttpClient::new(client))
    }
}

/// Reads ahead, since a request costs as much as a megabyte: whoever reads blocks in order, or
/// several threads that share a window of them, find the next ones here.
struct ObjectReader {
    store: Arc<AmazonS3>,
    runtime: Handle,
    object: String,
    bytes: u64,
    /// Where it begins, and what follows.
    ahead: Mutex<(u64, Bytes)>,
}

impl BlobReader for ObjectReader {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        let end = end.filter(|end| *end <= self.bytes);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        if buffer.is_empty() {
            return Ok(());
        }
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if !copy(&ahead, buffer, offset) {
            let until = end.max(offset.saturating_add(AHEAD)).min(self.bytes);
            let found = self
                .runtime
                .block_on(
                    self.store
                        .get_range(&Key::from(&*self.object), offset..until),
                )
                .map_err(io::Error::other)?;
            *ahead = (offset, found);
            if !copy(&ahead, buffer, offset) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

/// Whether all of it was there.
fn copy((start, bytes): &(u64, Bytes), buffer: &mut [u8], offset: u64) -> bool {
    let found = offset
        .checked_sub(*start)
        .and_then(|skip| usize::try_from(skip).ok())
        .and_then(|skip| bytes.get(skip..skip.checked_add(buffer.len())?));
    if let Some(found) = found {
        buffer.copy_from_slice(found);
    }
    found.is_some()
}

/// An object of up to this is put at once. S3 takes parts from 5 MiB on, up to 10,000 of them.
const PART: u64 = 16 << 20;
/// A pre-sum has 64 blobs open at a time.
const AHEAD: u64 = 1 << 20;
