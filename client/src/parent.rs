//! The parent's HTTP API, from the client's side. The parent is not trusted: every answer has a
//! bound on its length and is a claim until somebody verifies it.
//!
//! A masked update leaves through [`Parent::contribute`] alone, which takes nothing but what
//! the ledger has committed. What may pass by itself is waited for with [`Patience`], but only in
//! calls that ask, or that send the very same bytes again.

mod elsewhere;
mod error;
mod list;
mod reach;
mod schedule;
mod summary;
mod upload;

use core::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use sealsum_protocol::offer::OFFER_LIMIT;
use sealsum_protocol::{
    AbortReceipt, Acceptance, ClientId, ClientNonce, CohortProof, Receipt, RoundEvidence, RoundId,
    RoundOffer, Signed, SignedRoundParams, TaskName, canonical,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ledger::SpentContribution;
use crate::patience::Patience;

pub use error::ParentError;
pub use list::RoundFilter;
pub use reach::Reach;
pub use schedule::{ClosingRule, Opens, ScheduledRound};
pub use summary::RoundSummary;

/// A parent by its URL.
#[derive(Clone)]
pub struct Parent {
    base: Url,
    http: Client,
    patience: Patience,
    /// How long an upload may stand still, its answer included.
    standstill: Duration,
}

/// Which round to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Round(RoundId),
    /// The newest of this task that is collecting.
    Task(TaskName),
}

impl Parent {
    /// A parent at `http://HOST:PORT` or `https://HOST:PORT`, or below a path there.
    ///
    /// # Errors
    /// [`ParentError::Url`]; nothing is connected yet.
    pub fn new(url: &str) -> Result<Self, ParentError> {
        Self::reached(url, &Reach::default())
    }

    /// The same, by certificates and a token of one's own.
    ///
    /// # Errors
    /// [`ParentError::Url`], and what [`Reach`] names and can't be used.
    pub fn reached(url: &str, reach: &Reach) -> Result<Self, ParentError> {
        let not_one = || ParentError::Url(url.to_owned());
        let mut base = Url::parse(url).map_err(|_| not_one())?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(not_one());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // No proxy from the environment: the data holder named this address. What is worked elsewhere
        // is followed by hand, since not every body can be sent twice.
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            // Uploads and closes have no time limit of their own; a dead peer still ends them.
            .tcp_keepalive(KEEPALIVE);
        let http = reach.apply(&base, http)?.build().map_err(|_| not_one())?;
        let patience = Patience::default();
        Ok(Self {
            base,
            http,
            patience,
            standstill: upload::STANDSTILL,
        })
    }

    /// The same, with another patience than the usual minute.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    #[cfg(test)]
    pub(crate) fn with_standstill(self, standstill: Duration) -> Self {
        Self { standstill, ..self }
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        self.base.as_str()
    }

    /// Opens a round.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn open_round(
        &self,
        params: &SignedRoundParams,
    ) -> Result<RoundSummary, ParentError> {
        let request = self
            .request(Method::POST, "rounds")
            .timeout(ANSWER_TIMEOUT)
            .header(CONTENT_TYPE, CBOR)
            .body(canonical::encode(params));
        self.json(request).await
    }

    /// How a round stands.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn round(&self, round_id: &RoundId) -> Result<RoundSummary, ParentError> {
        let path = format!("rounds/{round_id}");
        let request = || self.request(Method::GET, &path).timeout(ANSWER_TIMEOUT);
        self.patience.insist(|| self.json(request())).await
    }

    /// Asks for an offer with fresh evidence. `nonce` has to be fresh and random.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn offer(
        &self,
        target: &Target,
        nonce: &ClientNonce,
    ) -> Result<RoundOffer, ParentError> {
        let path = match target {
            Target::Round(round_id) => format!("rounds/{round_id}/offer?nonce={nonce}"),
            Target::Task(task) => format!("tasks/{task}/offer?nonce={nonce}"),
        };
        // Once: whoever asks again does so with a nonce of its own.
        self.cbor_once(Method::GET, &path, OFFER_LIMIT as u64, "a round's offer")
            .await
    }

    /// Uploads a committed contribution. `progress` is told bytes sent and bytes in all.
    ///
    /// # Errors
    /// [`ParentError`]; the same call may be repeated, it sends the same bytes.
    pub async fn contribute(
        &self,
        contribution: &SpentContribution,
        progress: impl Fn(u64, u64) + Clone + Send + Sync + 'static,
    ) -> Result<Signed<Acceptance>, ParentError> {
        // The same bytes again are the same contribution.
        self.upload(contribution, progress).await
    }

    /// Closes a round and waits until it is released.
    ///
    /// # Errors
    /// [`ParentError`]; the parent goes on closing, and the same call joins it.
    pub async fn close(&self, round_id: &RoundId) -> Result<RoundSummary, ParentError> {
        let request = self.request(Method::POST, &format!("rounds/{round_id}/close"));
        self.json(request).await
    }

    /// Aborts a round.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn abort(&self, round_id: &RoundId) -> Result<Signed<AbortReceipt>, ParentError> {
        let path = format!("rounds/{round_id}/abort");
        self.cbor_once(Method::POST, &path, STATEMENT_LIMIT, "an abort receipt")
            .await
    }

    /// The evidence that was kept of a round.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn evidence(&self, round_id: &RoundId) -> Result<RoundEvidence, ParentError> {
        let path = format!("rounds/{round_id}/evidence");
        self.cbor(&path, OFFER_LIMIT as u64, "a round's evidence")
            .await
    }

    /// The receipt of a released round.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn receipt(&self, round_id: &RoundId) -> Result<Signed<Receipt>, ParentError> {
        let path = format!("rounds/{round_id}/receipt");
        self.cbor(&path, RECEIPT_LIMIT, "a receipt").await
    }

    /// The abort receipt of an aborted round.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn abort_receipt(
        &self,
        round_id: &RoundId,
    ) -> Result<Signed<AbortReceipt>, ParentError> {
        let path = format!("rounds/{round_id}/abort-receipt");
        self.cbor(&path, STATEMENT_LIMIT, "an abort receipt").await
    }

    /// What shows that a client is in a released round's cohort, or is not.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn proof(
        &self,
        round_id: &RoundId,
        client: &ClientId,
    ) -> Result<CohortProof, ParentError> {
        let path = format!("rounds/{round_id}/proofs/{client}");
        self.cbor(&path, PROOF_LIMIT, "a cohort proof").await
    }

    /// The aggregate of a released round: exactly `bytes` of packed blocks. `progress` is told
    /// bytes received and bytes in all.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn aggregate(
        &self,
        round_id: &RoundId,
        bytes: u64,
        progress: impl Fn(u64, u64),
    ) -> Result<Vec<u8>, ParentError> {
        self.patience
            .insist(|| self.aggregate_once(round_id, bytes, &progress))
            .await
    }

    async fn aggregate_once(
        &self,
        round_id: &RoundId,
        bytes: u64,
        progress: &impl Fn(u64, u64),
    ) -> Result<Vec<u8>, ParentError> {
        let request = self.request(Method::GET, &format!("rounds/{round_id}/aggregate"));
        let mut response = self.send(request).await?;
        let mut aggregate = Vec::new();
        while let Some(chunk) = next_chunk(&mut response).await? {
            let received = aggregate.len() as u64 + chunk.len() as u64;
            if received > bytes {
                return Err(ParentError::TooLong { limit: bytes });
            }
            aggregate.extend_from_slice(&chunk);
            progress(received, bytes);
        }
        if (aggregate.len() as u64) < bytes {
            let cause = format!("{} of {bytes} bytes came", aggregate.len());
            return Err(ParentError::BrokeOff { cause });
        }
        Ok(aggregate)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}v1/{path}", self.base))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ParentError> {
        let unsent = |error| ParentError::unanswered(self.url(), &error);
        let response = self.follow(request.build().map_err(unsent)?).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = read(response, PROBLEM_LIMIT).await.unwrap_or_default();
        Err(ParentError::problem(status, retry_after, &body))
    }

    async fn cbor<T: Serialize + DeserializeOwned>(
        &self,
        path: &str,
        limit: u64,
        expected: &'static str,
    ) -> Result<T, ParentError> {
        self.patience
            .insist(|| self.cbor_once(Method::GET, path, limit, expected))
            .await
    }

    async fn cbor_once<T: Serialize + DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        limit: u64,
        expected: &'static str,
    ) -> Result<T, ParentError> {
        let request = self.request(method, path).timeout(ANSWER_TIMEOUT);
        let response = self.send(request).await?;
        decoded(&read(response, limit).await?, expected)
    }

    async fn json(&self, request: RequestBuilder) -> Result<RoundSummary, ParentError> {
        let response = self.send(request).await?;
        let body = read(response, PROBLEM_LIMIT).await?;
        serde_json::from_slice(&body).map_err(|_| ParentError::Form {
            expected: "a round's summary",
        })
    }
}

async fn read(mut response: Response, limit: u64) -> Result<Vec<u8>, ParentError> {
    let mut body = Vec::new();
    while let Some(chunk) = next_chunk(&mut response).await? {
        if body.len() as u64 + chunk.len() as u64 > limit {
            return Err(ParentError::TooLong { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn next_chunk(response: &mut Response) -> Result<Option<Bytes>, ParentError> {
    match tokio::time::timeout(ANSWER_TIMEOUT, response.chunk()).await {
        Ok(chunk) => chunk.map_err(|error| ParentError::broke_off(&error)),
        Err(_) => Err(ParentError::BrokeOff {
            cause: format!("nothing came for {} s", ANSWER_TIMEOUT.as_secs()),
        }),
    }
}

fn decoded<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    expected: &'static str,
) -> Result<T, ParentError> {
    canonical::decode(bytes).map_err(|_| ParentError::Form { expected })
}

const CBOR: &str = "application/cbor";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For answers that need no work of size. Uploads and closes take as long as they take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const KEEPALIVE: Duration = Duration::from_secs(30);
const PROBLEM_LIMIT: u64 = 64 * 1024;
/// An acceptance or abort receipt is below 400 bytes.
const STATEMENT_LIMIT: u64 = 4 * 1024;
/// A receipt lists up to 1024 exclusions of 34 bytes.
const RECEIPT_LIMIT: u64 = 64 * 1024;
/// Two members with paths of at most 32 hashes.
const PROOF_LIMIT: u64 = 16 * 1024;

#[cfg(test)]
mod tests;
