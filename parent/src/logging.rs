//! Log lines to stderr: text for people, JSON for machines.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use sealsum_parent::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// From here on, what is logged is written.
pub(crate) fn begin(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = match &settings.filter {
        Some(filter) => EnvFilter::try_new(filter).context("log.filter")?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
    };
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    match settings.format {
        LogFormat::Text => lines.init(),
        LogFormat::Auto if terminal => lines.init(),
        LogFormat::Auto | LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .init(),
    }
    Ok(())
}
