//! Uploading a committed contribution: decides how long a parent may leave it, or its answer,
//! standing. A parent that takes the bytes and then says nothing, or says it byte by byte, would
//! otherwise hold the command and the ledger's lock for as long as it likes.

use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use sealsum_protocol::{Acceptance, Signed};
use tokio::time::Instant;

use super::{Parent, ParentError, STATEMENT_LIMIT, decoded, read};
use crate::ledger::SpentContribution;

impl Parent {
    pub(super) async fn put(
        &self,
        contribution: &SpentContribution,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<Signed<Acceptance>, ParentError> {
        let header = contribution.header();
        let path = format!("rounds/{}/contributions/{}", header.round_id, header.client);
        let parts = contribution.upload();
        let total = parts.iter().map(|part| part.len() as u64).sum();
        let moved = Moved::now();
        let noted = {
            let moved = moved.clone();
            move |sent, total| {
                moved.note();
                progress(sent, total);
            }
        };
        let request = self
            .request(Method::PUT, &path)
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_LENGTH, total)
            .body(counted(parts, total, noted));
        let answer = async {
            let response = self.send(request).await?;
            decoded(&read(response, STATEMENT_LIMIT).await?, "an acceptance")
        };
        tokio::select! {
            answer = answer => answer,
            () = moved.stands_still(self.standstill) => Err(ParentError::BrokeOff {
                cause: format!("the upload stood still for {} s", self.standstill.as_secs()),
            }),
        }
    }
}

/// When the last piece was taken. The answer is no piece: all of it has to come in one such time.
#[derive(Clone)]
struct Moved(Arc<Mutex<Instant>>);

impl Moved {
    fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    async fn stands_still(&self, limit: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() >= limit {
                return;
            }
            tokio::time::sleep_until(last + limit).await;
        }
    }
}

fn counted(
    parts: [Bytes; 2],
    total: u64,
    progress: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Body {
    let mut sent = 0;
    let pieces = parts.into_iter().flat_map(|mut part| {
        core::iter::from_fn(move || {
            let piece = part.split_to(part.len().min(PIECE_BYTES));
            (!piece.is_empty()).then_some(piece)
        })
    });
    Body::wrap_stream(stream::iter(pieces.map(move |piece| {
        sent += piece.len() as u64;
        progress(sent, total);
        Ok::<_, core::convert::Infallible>(piece)
    })))
}

const OCTETS: &str = "application/octet-stream";
const PIECE_BYTES: usize = 64 * 1024;
/// The last pieces may still be in this machine's buffers, some MiB, when the wait begins: at
/// half a megabit a second they need a minute.
pub(super) const STANDSTILL: Duration = Duration::from_secs(5 * 60);
