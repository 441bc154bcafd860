//! Uploading a committed contribution: decides how long a parent may leave it, or its answer,
//! standing. A parent that takes the bytes and then says nothing, or says it byte by byte, would
//! otherwise hold the command and the ledger's lock for as long as it likes.

use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Method};
use sealsum_protocol::{Acceptance, Signed};
use serde::Deserialize;
use tokio::time::Instant;

use super::elsewhere::HOPS;
use super::{ANSWER_TIMEOUT, Parent, ParentError, STATEMENT_LIMIT, decoded, read};
use crate::ledger::SpentContribution;

impl Parent {
    /// Sends a contribution, again and again while the parent is away or busy. One of which the parent
    /// kept a part goes on from there.
    pub(super) async fn upload(
        &self,
        contribution: &SpentContribution,
        progress: impl Fn(u64, u64) + Clone + Send + Sync + 'static,
    ) -> Result<Signed<Acceptance>, ParentError> {
        let first = AtomicBool::new(true);
        self.patience
            .insist(async || {
                let is_first = first.swap(false, Ordering::Relaxed);
                let there = match is_first {
                    true => 0,
                    false => self.offset(contribution).await?,
                };
                match self.send_on(there, contribution, &progress).await {
                    // Somebody else took it, or it was kept for too long.
                    Err(error) if there > 0 && !error.is_temporary() => {
                        self.send_on(0, contribution, &progress).await
                    }
                    answer => answer,
                }
            })
            .await
    }

    /// Sends the rest of a contribution, and whole to where it belongs if that is elsewhere.
    async fn send_on(
        &self,
        there: u64,
        contribution: &SpentContribution,
        progress: &(impl Fn(u64, u64) + Clone + Send + Sync + 'static),
    ) -> Result<Signed<Acceptance>, ParentError> {
        let own = format!("{}v1/{}", self.base, path(contribution));
        let mut answer = self
            .send_from(&own, there, contribution, progress.clone())
            .await;
        for _ in 0..HOPS {
            let Err(ParentError::Elsewhere(url)) = &answer else {
                return answer;
            };
            let mut url = url.clone();
            url.set_query(None);
            answer = self
                .send_from(url.as_str(), 0, contribution, progress.clone())
                .await;
        }
        match answer {
            Err(ParentError::Elsewhere(_)) => Err(ParentError::Astray),
            answer => answer,
        }
    }

    /// How many bytes of a contribution that was cut the parent has. What it says is bounded by
    /// the contribution itself, and checked by its commitment.
    async fn offset(&self, contribution: &SpentContribution) -> Result<u64, ParentError> {
        let request = self
            .request(Method::GET, &format!("{}/offset", path(contribution)))
            .query(&[("contribution", contribution.header().digest().to_string())])
            .timeout(ANSWER_TIMEOUT);
        let answer = match self.send(request).await {
            // A parent that keeps nothing has no such path.
            Err(error) if error.is_not_found() => return Ok(0),
            answer => read(answer?, STATEMENT_LIMIT).await?,
        };
        let Offset { offset } = serde_json::from_slice(&answer).map_err(|_| ParentError::Form {
            expected: "an upload's offset",
        })?;
        Ok(offset)
    }

    async fn send_from(
        &self,
        url: &str,
        there: u64,
        contribution: &SpentContribution,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<Signed<Acceptance>, ParentError> {
        let mut parts = contribution.upload();
        let total = parts.iter().map(|part| part.len() as u64).sum();
        let mut left = there;
        for part in &mut parts {
            let skipped = left.min(part.len() as u64);
            // No longer than the part itself.
            let _ = part.split_to(usize::try_from(skipped).unwrap_or(part.len()));
            left -= skipped;
        }
        let request = if there == 0 {
            self.http.request(Method::PUT, url)
        } else {
            let digest = contribution.header().digest().to_string();
            self.http
                .request(Method::PATCH, url)
                .query(&[("contribution", digest), ("offset", there.to_string())])
        };
        let moved = Moved::now();
        let noted = {
            let moved = moved.clone();
            move |sent, total| {
                moved.note();
                progress(sent, total);
            }
        };
        let request = request
            .header(CONTENT_TYPE, OCTETS)
            .header(CONTENT_LENGTH, total - there.min(total))
            .body(counted(parts, there, total, noted));
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

fn path(contribution: &SpentContribution) -> String {
    let header = contribution.header();
    format!("rounds/{}/contributions/{}", header.round_id, header.client)
}

#[derive(Deserialize)]
struct Offset {
    offset: u64,
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
    there: u64,
    total: u64,
    progress: impl Fn(u64, u64) + Send + Sync + 'static,
) -> Body {
    let mut sent = there;
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
