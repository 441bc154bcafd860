//! Small records a second, durable each, beside appends of one page with an fsync each.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sealsum_parent::{Blob, Embedded, Record, Storage};
use sealsum_protocol::{ClientId, RoundId};

use crate::{median, print};

pub(crate) fn bench(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let data = tempfile::tempdir_in(folder).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(Embedded::open(data.path()).unwrap());
    let mut next = 0;
    let mut probes = Vec::new();
    for at_once in [1, 16, 256] {
        let (mut records, mut whole) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            probes.push(appends(&data.path().join("probe")));
            records.push(runtime.block_on(write(&storage, at_once, false, &mut next)));
            whole.push(runtime.block_on(write(&storage, at_once, true, &mut next)));
        }
        let about = format!("{at_once} at once; wall clock");
        print("records_per_s", median(&mut records), "1/s", &about);
        let about = format!("{at_once} at once, with an upload of 4 KB each; wall clock");
        print("contributions_per_s", median(&mut whole), "1/s", &about);
    }
    let about = "4 KB and fdatasync each, one thread; wall clock";
    print("appends_per_s", median(&mut probes), "1/s", about);
}

/// That many tasks share the puts; each waits for one before the next.
async fn write(storage: &Arc<dyn Storage>, tasks: u64, uploads: bool, next: &mut u64) -> f64 {
    let begun = Instant::now();
    let each = PUTS.div_ceil(tasks);
    let writing: Vec<_> = (0..tasks)
        .map(|_| {
            let (storage, first) = (Arc::clone(storage), *next);
            *next += each;
            tokio::spawn(async move {
                for number in first..first + each {
                    put(&*storage, number, uploads).await;
                }
            })
        })
        .collect();
    for task in writing {
        task.await.unwrap();
    }
    (each * tasks) as f64 / begun.elapsed().as_secs_f64()
}

async fn put(storage: &dyn Storage, number: u64, uploads: bool) {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let (round, client) = (RoundId::new([1; 32]), ClientId::new(id));
    if uploads {
        let upload = Blob::Upload(client);
        let mut writer = storage.write_blob(round, upload).await.unwrap();
        writer.write(&[1; 4000]).unwrap();
        writer.commit().await.unwrap();
    }
    let acceptance = Record::Acceptance(client);
    storage.put(round, acceptance, vec![2; 250]).await.unwrap();
}

fn appends(path: &Path) -> f64 {
    let mut file = File::create(path).unwrap();
    let begun = Instant::now();
    for _ in 0..PUTS {
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
    }
    PUTS as f64 / begun.elapsed().as_secs_f64()
}

const PUTS: u64 = 2048;
const TURNS: usize = 3;
