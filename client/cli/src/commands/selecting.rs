//! `--select` and `--exclude`: which tensors a command reads, the same for operator and clients.

use clap::Args;
use sealsum_client::Selection;

/// Which tensors take part; say the same at every command of a task.
#[derive(Args, Clone)]
pub(super) struct Selecting {
    /// Take only tensors of such names: * any run of characters, ? one; repeatable
    #[arg(long, value_name = "GLOB")]
    select: Vec<String>,
    /// Leave out tensors of such names; repeatable
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
}

impl Selecting {
    pub(super) fn selection(&self) -> Selection {
        Selection::new(self.select.clone(), self.exclude.clone())
    }
}

/// A line on tensors that are left out by rule; empty if there are none.
pub(super) fn left_out_line(left_out: &[String]) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    let names: Vec<_> = left_out.iter().map(|name| format!("{name:?}")).collect();
    format!(
        "\nleft out      {} (integers are no part of an update)",
        names.join(", ")
    )
}
