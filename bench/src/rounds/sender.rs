//! Who sends sound contributions without being a whole client: for what does not depend on policy,
//! ledger or evidence. The parent and its enclave can't tell the difference.

use std::convert::Infallible;

use anyhow::{Result, ensure};
use futures_util::stream;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Client};
use sealsum_client::Parent;
use sealsum_protocol::{RoundBinding, RoundTerms, upload};
use sealsum_testkit::{Contribution, sign};

use crate::http::http;

/// A round that is open at a parent.
pub(crate) struct OpenRound {
    pub(crate) parent: Parent,
    pub(crate) binding: RoundBinding,
    http: Client,
}

impl OpenRound {
    pub(crate) async fn open(url: &str, terms: RoundTerms) -> Result<Self> {
        let parent = Parent::new(url)?;
        let summary = parent.open_round(&sign(terms)).await?;
        let binding = parent.evidence(&summary.round_id.parse()?).await?.binding;
        Ok(Self {
            parent,
            binding,
            http: http()?,
        })
    }

    /// Uploads a contribution.
    pub(crate) async fn send(&self, contribution: Contribution) -> Result<()> {
        let Contribution { header, body } = contribution;
        let prefix = upload::prefix(&header);
        let length = prefix.len() + body.len();
        // As two pieces: the body may be hundreds of megabytes, too many to move.
        let pieces = [prefix, body].map(Ok::<_, Infallible>);
        let path = format!("rounds/{}/contributions/{}", header.round_id, header.client);
        let url = format!("{}v1/{path}", self.parent.url());
        let request = self.http.put(url).header(CONTENT_LENGTH, length);
        let body = Body::wrap_stream(stream::iter(pieces));
        let response = request.body(body).send().await?;
        let status = response.status();
        ensure!(status.is_success(), "{status}: {}", response.text().await?);
        Ok(())
    }
}
