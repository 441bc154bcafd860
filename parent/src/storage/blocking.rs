//! Work that blocks, beside the threads that serve requests.

use std::ops::Range;

use sealsum_protocol::BlockLayout;

/// Runs `work` where blocking is allowed. A panic in it goes on in the caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it whoever waits for this.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Runs `work` on all blocks in order, a window at a time: a process that ends waits for
/// what runs, and a whole vector may take minutes.
pub(crate) async fn by_windows<T, E>(
    layout: BlockLayout,
    mut state: T,
    work: fn(T, Range<u64>) -> Result<T, E>,
) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
{
    for start in layout.indices().step_by(WINDOW as usize) {
        let window = start..layout.blocks().min(start + WINDOW);
        state = blocking(move || work(state, window)).await?;
    }
    Ok(state)
}

/// Blocks at a time: 2 MiB at 32 bits, and several for each thread that adds.
const WINDOW: u64 = 32;
