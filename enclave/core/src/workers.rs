//! Work shared out among threads, whose stacks are erased like the caller's (I10).
//!
//! The caller takes a share of its own and waits for the others; nothing outlives the call. What a
//! worker's stack held of secrets is written over before the thread ends: the system hands such
//! stacks on as they are.

use core::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

use crate::stack;

/// How many threads share a command's work.
#[derive(Clone, Copy)]
pub(crate) struct Workers {
    threads: NonZeroUsize,
    stack_bytes: usize,
}

impl Workers {
    /// That many threads with the caller's own, at most [`THREADS_LIMIT`].
    pub(crate) fn new(threads: NonZeroUsize) -> Self {
        Self {
            threads: threads.min(THREADS_LIMIT),
            stack_bytes: STACK_BYTES,
        }
    }

    /// What `each` makes of every item, in order; shares of `least` items or more are worth a thread.
    pub(crate) fn map<T: Sync, R: Send>(
        self,
        items: &[T],
        least: usize,
        each: impl Fn(&T) -> R + Sync,
    ) -> Vec<R> {
        let mut all = Vec::with_capacity(items.len());
        let others = self.share_out(
            items,
            least,
            stack::erase_dead_frames,
            |share| all.extend(share.iter().map(&each)),
            |share| share.iter().map(&each).collect::<Vec<_>>(),
        );
        all.extend(others.into_iter().flatten());
        all
    }

    /// Cuts `items` into as many shares as there are threads, or as `least` items for each make:
    /// `own` takes the first on this thread, `other` each of the others on a thread of its own.
    /// Gives what the others came to, in order. `erase` is what writes over a worker's stack, as deep as
    /// its work goes.
    ///
    /// A thread that can't be had is done without: its share is done here.
    pub(crate) fn share_out<T: Sync, R: Send>(
        self,
        items: &[T],
        least: usize,
        erase: fn(),
        own: impl FnOnce(&[T]),
        other: impl Fn(&[T]) -> R + Sync,
    ) -> Vec<R> {
        let threads = items
            .len()
            .checked_div(least)
            .unwrap_or(1)
            .clamp(1, self.threads.get());
        let mut shares = items.chunks(items.len().div_ceil(threads).max(1));
        let first = shares.next().unwrap_or_default();
        let other = &other;
        thread::scope(|scope| {
            let others: Vec<_> = shares
                .map(|share| {
                    let thread = thread::Builder::new().stack_size(self.stack_bytes);
                    let worker = thread.spawn_scoped(scope, move || erasing(other, share, erase));
                    (share, worker.ok())
                })
                .collect();
            own(first);
            others
                .into_iter()
                .map(|(share, worker)| match worker {
                    Some(worker) => worker.join().unwrap_or_else(|panic| resume_unwind(panic)),
                    None => other(share),
                })
                .collect()
        })
    }
}

fn erasing<T, R>(work: impl Fn(&[T]) -> R, share: &[T], erase: fn()) -> R {
    let result = apart(work, share);
    erase();
    result
}

/// A frame of its own for the work, dead when it is erased.
#[inline(never)]
fn apart<T, R>(work: impl Fn(&[T]) -> R, share: &[T]) -> R {
    work(share)
}

/// More threads than this would have shares too small to be worth one, and each takes memory
/// beside that of the rounds: what of its stack is erased, and a block.
const THREADS_LIMIT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
/// What the deepest work needs and the erasing takes, twice: a page that is not touched costs
/// nothing. Said here, so that no environment says it.
const STACK_BYTES: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread::ThreadId;

    use super::*;

    fn workers(threads: usize) -> Workers {
        Workers::new(NonZeroUsize::new(threads).unwrap())
    }

    /// Every share with the thread that did it, the caller's first.
    fn shares(workers: Workers, items: &[u32], least: usize) -> Vec<(ThreadId, Vec<u32>)> {
        let done = |share: &[u32]| (thread::current().id(), share.to_vec());
        let mut all = Vec::new();
        let others = workers.share_out(
            items,
            least,
            stack::erase_dead_frames,
            |share| all.push(done(share)),
            done,
        );
        all.extend(others);
        all
    }

    #[test]
    fn every_item_is_in_one_share_in_order_and_each_share_has_a_thread() {
        for threads in 1..=5 {
            for count in 0..40_u32 {
                for least in 1..=4 {
                    let items: Vec<_> = (0..count).collect();
                    let shares = shares(workers(threads), &items, least);
                    let whole: Vec<_> = shares.iter().flat_map(|(_, share)| share).collect();
                    assert_eq!(whole, items.iter().collect::<Vec<_>>());
                    assert!(shares.len() <= threads);
                    assert!(shares.len() <= (count as usize / least).max(1));
                    assert_eq!(shares[0].0, thread::current().id());
                    let others = shares.iter().skip(1);
                    assert!(others.clone().all(|(id, _)| *id != shares[0].0));
                    assert!(others.clone().all(|(_, share)| !share.is_empty()));
                }
            }
        }
        assert_eq!(shares(workers(3), &[1, 2, 3, 4, 5, 6], 2).len(), 3);
    }

    #[test]
    fn no_more_threads_than_the_limit_whatever_is_asked_for() {
        let items: Vec<_> = (0..1000).collect();
        assert_eq!(shares(workers(1000), &items, 1).len(), THREADS_LIMIT.get());
    }

    /// What is left on a thread's stack can't be read here, nor from outside: the system takes the
    /// pages back as they are.
    #[test]
    fn every_worker_erases_its_stack_after_its_work_and_the_caller_is_left_to_itself() {
        static DEEDS: Mutex<Vec<(ThreadId, &str)>> = Mutex::new(Vec::new());
        fn note(deed: &'static str) {
            DEEDS.lock().unwrap().push((thread::current().id(), deed));
        }
        let work = |_: &[u32]| note("works");
        workers(3).share_out(&[1, 2, 3], 1, || note("erases"), work, work);
        let mut deeds = DEEDS.lock().unwrap().clone();
        let here = thread::current().id();
        deeds.retain(|(thread, _)| *thread != here);
        deeds.sort_by_key(|(thread, _)| format!("{thread:?}"));
        let words: Vec<_> = deeds.iter().map(|(_, deed)| *deed).collect();
        assert_eq!(words, ["works", "erases", "works", "erases"]);
        let all = DEEDS.lock().unwrap();
        let own = all.iter().filter(|(thread, _)| *thread == here);
        assert_eq!(own.map(|(_, deed)| *deed).collect::<Vec<_>>(), ["works"]);
    }

    #[test]
    fn a_thread_that_can_not_be_had_is_done_without() {
        let impossible = Workers {
            stack_bytes: 1 << 60,
            ..workers(3)
        };
        let shares = shares(impossible, &[1, 2, 3, 4, 5, 6, 7], 1);
        let here = thread::current().id();
        assert!(shares.iter().all(|(id, _)| *id == here));
        let whole: Vec<_> = shares.into_iter().flat_map(|(_, share)| share).collect();
        assert_eq!(whole, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    #[should_panic(expected = "a worker's own words")]
    fn a_workers_panic_is_the_callers() {
        workers(2).share_out(
            &[1, 2],
            1,
            stack::erase_dead_frames,
            |_| {},
            |share| {
                assert!(share.is_empty(), "a worker's own words");
            },
        );
    }
}
