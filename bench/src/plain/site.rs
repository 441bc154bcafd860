//! A site of plain FedAvg: it reads its update and sends it, by the HTTP library that ours uses.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::http::http;
use crate::rounds::npy;

/// One site, with its own connection.
#[derive(Clone)]
pub(crate) struct Site {
    client: reqwest::Client,
    url: String,
}

impl Site {
    pub(crate) fn new(url: &str) -> Result<Self> {
        // Each site is a machine of its own: it connects for itself.
        Ok(Self {
            client: http()?,
            url: url.to_owned(),
        })
    }

    /// Sends its update: the numbers of a .npy file of 32-bit floats, as they are.
    pub(crate) async fn send(&self, site: u64, update: &Path) -> Result<()> {
        let numbers = npy::numbers(std::fs::read(update)?)?;
        let url = &self.url;
        let response = self
            .client
            .put(format!("{url}/updates/{site}"))
            .body(numbers)
            .send()
            .await?;
        let status = response.status();
        ensure!(status.is_success(), "{status}: {}", response.text().await?);
        Ok(())
    }

    /// Closes the round and waits for the sum.
    pub(crate) async fn close(&self) -> Result<()> {
        let request = self.client.post(format!("{}/close", self.url));
        let response = request.send().await?;
        let status = response.status();
        ensure!(status.is_success(), "{status}: {}", response.text().await?);
        Ok(())
    }

    /// The sum.
    pub(crate) async fn aggregate(&self) -> Result<Vec<f32>> {
        let request = self.client.get(format!("{}/aggregate", self.url));
        let bytes = request.send().await?.error_for_status()?.bytes().await?;
        let (words, _) = bytes.as_chunks();
        Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }
}
