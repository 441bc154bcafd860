//! A site of plain FedAvg: it reads its update and sends it, by the HTTP library that ours uses.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::http::http;
use crate::rounds::npy;

/// Sends one site's update: the numbers of a .npy file of 32-bit floats, as they are.
pub(crate) async fn send(url: &str, site: u64, update: &Path) -> Result<()> {
    let numbers = npy::numbers(std::fs::read(update)?)?;
    // Each site is a machine of its own: it connects for itself.
    let response = http()?
        .put(format!("{url}/updates/{site}"))
        .body(numbers)
        .send()
        .await?;
    let status = response.status();
    ensure!(status.is_success(), "{status}: {}", response.text().await?);
    Ok(())
}

/// Closes the round and waits for the sum.
pub(crate) async fn close(url: &str) -> Result<()> {
    let request = http()?.post(format!("{url}/close"));
    let response = request.send().await?;
    let status = response.status();
    ensure!(status.is_success(), "{status}: {}", response.text().await?);
    Ok(())
}

/// The sum.
pub(crate) async fn aggregate(url: &str) -> Result<Vec<f32>> {
    let request = http()?.get(format!("{url}/aggregate"));
    let bytes = request.send().await?.error_for_status()?.bytes().await?;
    let (words, _) = bytes.as_chunks();
    Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}
