//! CPU time, in nanoseconds.

use nix::time::ClockId;

/// Of all threads of this process, ended ones too.
pub(crate) fn of_process() -> f64 {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// Of the calling thread.
pub(crate) fn of_thread() -> f64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn read(clock: ClockId) -> f64 {
    let now = clock.now().unwrap();
    now.tv_sec() as f64 * 1e9 + now.tv_nsec() as f64
}
