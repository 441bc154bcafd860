//! Large uploads beside the plain loop: the same bytes, as many at once, by turns in one run.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Connection, Pace};
use crate::people::{Crowd, Mix, Person, seal};
use crate::round::{OpenRound, contribute, text};
use crate::servers::Servers;
use crate::timeline::Timeline;

/// How large, how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Large {
    pub(crate) dimension: u64,
    pub(crate) uploads: u64,
    pub(crate) at_once: usize,
    pub(crate) turns: u64,
}

/// Measures by turns.
pub(crate) async fn measure(
    servers: &Servers,
    folder: &Path,
    large: Large,
    first_number: u64,
) -> Result<Value, String> {
    let plain_server = crate::plain::serve(&folder.join("plain"))
        .await
        .map_err(text)?;
    let (mut parent, mut plain, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lost, mut cpu) = (0, 0.0);
    for turn in 0..large.turns {
        let number = first_number + turn;
        let round =
            OpenRound::open(servers.address, number, large.dimension, large.uploads).await?;
        // Uploads alone: the plain loop attests to nothing.
        let round = Arc::new(OpenRound {
            joins: false,
            ..round
        });
        let binding = round.binding.clone();
        let first = number * 1_000_000;
        let (people, _) = tokio::task::spawn_blocking(move || {
            seal(
                &binding,
                first,
                large.uploads,
                Mix::default(),
                Duration::ZERO,
            )
        })
        .await
        .map_err(text)?;
        let bytes: usize = people.iter().map(|person| person.bytes.len()).sum();
        let mib = bytes as f64 / (1 << 20) as f64;
        let crowd = Crowd::new(people);
        // Who goes first changes: the disk may be busy with what came before.
        for kind in [turn % 2, 1 - turn % 2] {
            let begun = Instant::now();
            if kind == 0 {
                send_all(plain_server, &crowd, large.at_once).await?;
                plain.push(mib / begun.elapsed().as_secs_f64());
            } else {
                let (timeline, before) =
                    (Arc::new(Timeline::begin()), servers.parent.cpu_seconds());
                contribute(&round, &crowd, &timeline, large.at_once).await;
                parent.push(mib / begun.elapsed().as_secs_f64());
                cpu += servers.parent.cpu_seconds() - before;
            }
        }
        let (parent, plain) = (parent.last(), plain.last());
        ratios.extend(parent.zip(plain).map(|(parent, plain)| parent / plain));
        lost += round.close(&crowd.people).await?;
        std::fs::remove_dir_all(folder.join("plain")).map_err(text)?;
        std::fs::create_dir(folder.join("plain")).map_err(text)?;
    }
    Ok(json!({
        "dimension": large.dimension,
        "uploads": large.uploads * large.turns,
        "at_once": large.at_once,
        "mib_per_second": round1(median(parent)),
        "plain_mib_per_second": round1(median(plain)),
        "vs_plain": (median(ratios) * 100.0).round() / 100.0,
        "parent_cpu_ms_per_upload": round1(cpu * 1000.0 / (large.uploads * large.turns) as f64),
        "honest_lost": lost,
    }))
}

async fn send_all(server: SocketAddr, crowd: &Arc<Crowd>, at_once: usize) -> Result<(), String> {
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..at_once {
        let crowd = Arc::clone(crowd);
        workers.spawn(async move {
            for person in crowd.people.iter().skip(worker).step_by(at_once) {
                send(server, person).await?;
            }
            Ok::<_, std::io::Error>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done.map_err(text)?.map_err(text)?;
    }
    Ok(())
}

async fn send(server: SocketAddr, person: &Person) -> std::io::Result<()> {
    let mut connection = Connection::open(server).await?;
    let answer = connection
        .put("/plain", &person.bytes, Pace::AtOnce)
        .await?;
    match answer.status {
        200 => Ok(()),
        _ => Err(std::io::ErrorKind::InvalidData.into()),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

pub(crate) fn round1(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
