//! Log lines to stderr: text for people, JSON for machines.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use sealsum_parent::{LogFormat, LogSettings};
use tracing_subscriber::EnvFilter;

/// From here on, what is logged is written.
pub(crate) fn begin(settings: &LogSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(settings.filter_in_force()?).context("log.filter")?;
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that nobody takes is lost; telling stderr about stderr would end the thread.
        .log_internal_errors(false)
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
    if let Some(filter) = settings.left_out() {
        tracing::warn!(
            filter,
            "RUST_LOG is no filter of this program's, and does not count"
        );
    }
    Ok(())
}
