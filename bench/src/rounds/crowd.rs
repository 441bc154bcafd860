//! Many at once: as many sites as a server sees at a time, the rest in line.

use std::sync::Arc;

use anyhow::Result;
use sealsum_testkit::UncheckedClient;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::OpenRound;

/// A runtime with a thread for each site at work: a site is a machine of its own, and one that waits
/// for its disk holds up no other.
pub(crate) fn runtime() -> Result<Runtime> {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(AT_ONCE).enable_all();
    Ok(runtime.build()?)
}

/// Does `work` for each of the first `sites` numbers, [`AT_ONCE`] at a time, and gives what came of
/// it, in no order. The first failure ends it.
pub(crate) async fn each<T, W>(sites: u64, work: impl Fn(u64) -> W) -> Result<Vec<T>>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for site in 0..sites {
        let place = Arc::clone(&places).acquire_owned().await?;
        let work = work(site);
        tasks.spawn(async move {
            let done = work.await;
            drop(place);
            done
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.push(done??);
    }
    Ok(all)
}

/// Has so many clients contribute without being asked who they are.
pub(crate) async fn send_all(round: OpenRound, clients: u64) -> Result<OpenRound> {
    let round = Arc::new(round);
    let values = vec![0.25; round.binding.params.params.terms().dimension as usize];
    let values = Arc::new(values);
    each(clients, |client| {
        let (round, values) = (Arc::clone(&round), Arc::clone(&values));
        async move {
            let contribution = UncheckedClient::new(client).contribute(&round.binding, &values);
            round.send(contribution).await
        }
    })
    .await?;
    Arc::into_inner(round).ok_or_else(|| anyhow::anyhow!("a client is still at it"))
}

/// Sites at work at a time, on either side of a comparison.
pub(crate) const AT_ONCE: usize = 4;
