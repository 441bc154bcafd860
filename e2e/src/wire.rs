//! A parent's HTTP API as a hostile client uses it: with no ledger, no appraisal, no patience.

use sealsum_protocol::canonical::decode;
use sealsum_protocol::{RoundBinding, RoundId, RoundOffer, upload};
use sealsum_testkit::{Contribution, JudgedRelease, KnownUpload, judge_release};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a parent answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// When to try again, in the words of the header.
    pub retry_after: Option<String>,
}

impl Answer {
    /// The code of a problem.
    #[must_use]
    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no problem: {} {:?}", self.status, self.body));
        problem["code"].as_str().unwrap().to_owned()
    }

    /// The message in an answer that is none.
    #[must_use]
    pub fn message<T: Serialize + DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        decode(&self.body).unwrap()
    }
}

/// GETs a path below a parent's `/v1/`.
#[must_use]
pub fn ask(parent: &str, path: &str) -> Answer {
    request(http().get(format!("{parent}/v1/{path}")))
}

/// A parent's counts.
#[must_use]
pub fn metrics(parent: &str) -> String {
    let answer = request(http().get(format!("{parent}/metrics")));
    String::from_utf8(answer.body).unwrap()
}

/// A round's offer, for a nonce that everybody knows.
#[must_use]
pub fn offer(parent: &str, round_id: &str) -> RoundOffer {
    let nonce = "4e".repeat(32);
    ask(parent, &format!("rounds/{round_id}/offer?nonce={nonce}")).message()
}

/// PUTs a contribution where its header says that it belongs.
#[must_use]
pub fn put(parent: &str, contribution: &Contribution) -> Answer {
    put_to(parent, &contribution.header.round_id, contribution)
}

/// PUTs a contribution to a round that need not be the one in its header.
#[must_use]
pub fn put_to(parent: &str, round_id: &RoundId, contribution: &Contribution) -> Answer {
    let client = contribution.header.client;
    let mut body = upload::prefix(&contribution.header);
    body.extend_from_slice(&contribution.body);
    let url = format!("{parent}/v1/rounds/{round_id}/contributions/{client}");
    let request_of = http().put(url);
    request(
        request_of
            .header("content-type", "application/octet-stream")
            .body(body),
    )
}

/// PUTs the bytes of an upload as they are.
#[must_use]
pub fn put_known(parent: &str, round_id: &RoundId, upload: &KnownUpload) -> Answer {
    let url = format!(
        "{parent}/v1/rounds/{round_id}/contributions/{}",
        upload.client
    );
    request(reqwest::Client::new().put(url).body(upload.bytes.clone()))
}

/// POSTs to a path below a parent's `/v1/`, as its operator does.
#[must_use]
pub fn post(parent: &str, path: &str) -> Answer {
    request(reqwest::Client::new().post(format!("{parent}/v1/{path}")))
}

/// Judges a round that a parent has released.
#[must_use]
pub fn judge(parent: &str, binding: &RoundBinding, uploads: &[KnownUpload]) -> JudgedRelease {
    let published = |what: &str| {
        let answer = ask(parent, &format!("rounds/{}/{what}", binding.round_id()));
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.body
    };
    let proofs = uploads
        .iter()
        .map(|upload| (upload, published(&format!("proofs/{}", upload.client))));
    let (receipt, aggregate) = (published("receipt"), published("aggregate"));
    judge_release(binding, &receipt, &aggregate, proofs).unwrap()
}

/// The contribution in the body of an upload.
#[must_use]
pub fn uploaded(body: &[u8]) -> Contribution {
    let (first, rest) = body.split_first_chunk().unwrap();
    let (header, masked) = rest.split_at(upload::header_length(*first).unwrap());
    Contribution {
        header: upload::header(header).unwrap(),
        body: masked.to_vec(),
    }
}

/// A client for HTTP in the clear.
pub(crate) fn http() -> reqwest::Client {
    // Never used; without a provider none is made.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

fn request(request: reqwest::RequestBuilder) -> Answer {
    let answered = async {
        let answer = request.send().await.unwrap();
        let retry_after = answer.headers().get("retry-after");
        Answer {
            status: answer.status().as_u16(),
            retry_after: retry_after.map(|after| after.to_str().unwrap().to_owned()),
            body: answer.bytes().await.unwrap().to_vec(),
        }
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(answered)
}
