//! Leases of the shared store, against the servers of `parent/tests/servers/with.sh`. Time passes by
//! statements to the database.

use std::collections::BTreeSet;

use super::servers::Servers;
use super::*;
use crate::storage::lease::ATTEMPTS;

impl Servers {
    async fn time_passes(&self) {
        let end = "UPDATE sealsum.leases SET expires = '-infinity'";
        self.administration.batch_execute(end).await.unwrap();
    }

    async fn token(&self, round: RoundId) -> i64 {
        let query = "SELECT token FROM sealsum.leases WHERE round_id = $1";
        let id = round.as_bytes().as_slice();
        self.administration
            .query_one(query, &[&id])
            .await
            .unwrap()
            .get(0)
    }
}

fn rounds_of(taken: &[TakenOver]) -> Vec<RoundId> {
    taken.iter().map(|taken| taken.round_id).collect()
}

fn assert_fenced<T>(done: Result<T, StorageError>) {
    match done {
        Err(StorageError::Fenced(id)) => assert_eq!(id, round(1)),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a stale parent wrote"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_parent_at_a_time_writes_to_a_round() {
    let servers = Servers::new().await;
    let (one, two) = (servers.parent("one").await, servers.parent("two").await);
    let blob = Blob::Aggregate;
    hold(&*one, [round(1)]).await;
    write_blob(&*one, round(1), blob, b"one".to_vec()).await;
    one.put(round(1), Record::State, vec![1]).await.unwrap();
    let holder = two.hold(round(1)).await.unwrap();
    let place = Whereabouts {
        clients: "https://one.example".to_owned(),
        operator: "https://one.example".to_owned(),
    };
    assert_eq!(holder, Holder::Theirs(place));
    assert_fenced(two.put(round(1), Record::State, vec![2]).await);
    assert_fenced(two.remove(round(1), Record::State).await);
    assert_fenced(two.write_blob(round(1), blob).await);
    assert_fenced(two.remove_blob(round(1), blob).await);
    assert_fenced(two.remove_round(round(1)).await);
    // It reads all the same.
    let state = two.record(round(1), Record::State).await.unwrap();
    assert_eq!(state, Some(vec![1]));
    assert_eq!(read_blob(&*two, round(1), blob).await.unwrap(), b"one");

    // The first stands still in the middle of everything, and the second takes over.
    let before = servers.token(round(1)).await;
    let mut writer = one.write_blob(round(1), blob).await.unwrap();
    writer.write(b"stale").unwrap();
    servers.time_passes().await;
    assert_eq!(rounds_of(&two.take_over().await.unwrap()), [round(1)]);
    assert!(servers.token(round(1)).await > before);
    assert_fenced(writer.commit().await);
    assert_fenced(one.put(round(1), Record::State, vec![3]).await);
    two.put(round(1), Record::State, vec![4]).await.unwrap();
    let state = one.record(round(1), Record::State).await.unwrap();
    assert_eq!(state, Some(vec![4]));
    assert_eq!(read_blob(&*one, round(1), blob).await.unwrap(), b"one");
}

/// Each write of a stale parent that still believes in its lease, by itself.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_refuses_what_a_stale_parent_still_believes_in() {
    for write in 0..5 {
        let servers = Servers::new().await;
        let (one, two) = (servers.parent("one").await, servers.parent("two").await);
        hold(&*one, [round(1)]).await;
        one.put(round(1), Record::State, vec![1]).await.unwrap();
        write_blob(&*one, round(1), Blob::Aggregate, b"one".to_vec()).await;
        let writer = one.write_blob(round(1), Blob::MaskedSum).await.unwrap();
        servers.time_passes().await;
        two.take_over().await.unwrap();
        assert_fenced(match write {
            0 => one.put(round(1), Record::State, vec![2]).await,
            1 => one.remove(round(1), Record::State).await,
            2 => one.remove_blob(round(1), Blob::Aggregate).await,
            3 => one.remove_round(round(1)).await,
            _ => writer.commit().await,
        });
        let state = two.record(round(1), Record::State).await.unwrap();
        assert_eq!(state, Some(vec![1]));
        let aggregate = read_blob(&*two, round(1), Blob::Aggregate).await;
        assert_eq!(aggregate.unwrap(), b"one");
        let sum = two.blob(round(1), Blob::MaskedSum).await.unwrap();
        assert!(sum.is_none());
        assert_eq!(one.renew().await.unwrap(), [round(1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renewed_leases_stay_and_lost_ones_are_named() {
    let servers = Servers::new().await;
    let (one, two) = (servers.parent("one").await, servers.parent("two").await);
    hold(&*one, [round(1), round(2)]).await;
    assert_eq!(two.take_over().await.unwrap(), []);
    servers.time_passes().await;
    // Late, but nobody came.
    assert_eq!(one.renew().await.unwrap(), []);
    assert_eq!(two.take_over().await.unwrap(), []);

    let late = "UPDATE sealsum.leases SET expires = '-infinity' WHERE get_byte(round_id, 0) = 1";
    servers.administration.batch_execute(late).await.unwrap();
    assert_eq!(rounds_of(&two.take_over().await.unwrap()), [round(1)]);
    assert_eq!(one.renew().await.unwrap(), [round(1)]);
    assert_eq!(one.renew().await.unwrap(), []);
    assert_fenced(one.put(round(1), Record::State, vec![1]).await);
    one.put(round(2), Record::State, vec![1]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_of_a_parent_that_is_gone_are_shared_out_each_once() {
    let servers = Servers::new().await;
    let gone = servers.parent("gone").await;
    hold(&*gone, (0..40).map(round)).await;
    servers.time_passes().await;
    let mut tasks = Vec::new();
    for name in ["one", "two", "three", "four"] {
        let parent = servers.parent(name).await;
        tasks.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..10 {
                let more = parent.take_over().await.unwrap();
                assert!(more.iter().all(|taken| taken.attempts == 2));
                taken.extend(rounds_of(&more));
            }
            taken
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    assert_eq!(all.len(), 40);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_ends_whoever_works_it_is_left_alone_in_the_end() {
    let servers = Servers::new().await;
    let parents = [servers.parent("one").await, servers.parent("two").await];
    hold(&*parents[0], [round(1)]).await;
    for attempt in 2..=ATTEMPTS {
        servers.time_passes().await;
        let taken = parents[(attempt as usize + 1) % 2]
            .take_over()
            .await
            .unwrap();
        assert_eq!(
            taken,
            [TakenOver {
                round_id: round(1),
                attempts: attempt
            }]
        );
    }
    servers.time_passes().await;
    for parent in &parents {
        assert_eq!(parent.take_over().await.unwrap(), []);
    }
    // Who works it for long enough to renew has shown that it can be worked.
    assert_eq!(parents[1].renew().await.unwrap(), []);
    servers.time_passes().await;
    let taken = parents[0].take_over().await.unwrap();
    assert_eq!(taken[0].attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_leaves_or_lets_go_is_not_waited_for() {
    let servers = Servers::new().await;
    let (one, two) = (servers.parent("one").await, servers.parent("two").await);
    hold(&*one, [round(1), round(2)]).await;
    let first = servers.token(round(1)).await;
    one.let_go(round(1)).await.unwrap();
    assert_fenced(one.put(round(1), Record::State, vec![1]).await);
    hold(&*two, [round(1)]).await;
    assert!(servers.token(round(1)).await > first);
    one.leave().await.unwrap();
    assert_eq!(rounds_of(&two.take_over().await.unwrap()), [round(2)]);
}

/// A write that is under way and a take-over wait for each other.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_not_taken_from_under_a_write() {
    let servers = Servers::new().await;
    let (one, two) = (servers.parent("one").await, servers.parent("two").await);
    hold(&*one, [round(1)]).await;
    one.put(round(1), Record::State, vec![1]).await.unwrap();
    servers.time_passes().await;
    // The record's row is locked, so that the write stands in the middle.
    servers
        .administration
        .batch_execute("BEGIN; SELECT FROM sealsum.records FOR UPDATE")
        .await
        .unwrap();
    let writing = tokio::spawn({
        let one = Arc::clone(&one);
        async move { one.put(round(1), Record::State, vec![2]).await }
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while servers
        .administration
        .query_one(waiting, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        == 0
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(two.take_over().await.unwrap(), []);
    servers
        .administration
        .batch_execute("COMMIT")
        .await
        .unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(rounds_of(&two.take_over().await.unwrap()), [round(1)]);
    let state = two.record(round(1), Record::State).await.unwrap();
    assert_eq!(state, Some(vec![2]));
}
